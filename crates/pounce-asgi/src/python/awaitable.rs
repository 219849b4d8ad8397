//! What `receive()` and `send()` return.
//!
//! It speaks the whole coroutine protocol (`__await__`, `send`, `throw`, `close`), so that it can become a
//! task or be driven by hand. It finishes without yielding, or yields an asyncio future.

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::rc::Rc;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::call::CallState;
use super::object::{Methods, Payload, guard, method_noargs, method_o, method_varargs, payload, slot};

/// An awaitable of ours.
pub(super) enum Awaitable {
    /// Done, with None.
    Nothing,
    /// Done, with a value.
    Value(Py<PyAny>),
    /// Waits for a future: what `future.__await__()` returned.
    Waiting(Py<PyAny>),
    /// Waits for a message; the iterator is that of a future that says when to look.
    Receiving {
        /// The call that receives.
        state: Rc<CallState>,
        /// What `future.__await__()` returned.
        iterator: RefCell<Py<PyAny>>,
    },
}

static METHODS: Methods = Methods([
    method_o(c"send", send),
    method_varargs(c"throw", throw),
    method_noargs(c"close", close),
    ffi::PyMethodDef::zeroed(),
]);

impl Awaitable {
    /// What to throw into or to close, if it waits. A `receive()` that ends so waits no more, which the
    /// wire has to know.
    fn iterator<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Nothing | Self::Value(_) => None,
            Self::Waiting(iterator) => Some(iterator.bind(py).clone()),
            Self::Receiving { state, iterator } => {
                state.leave_receive();
                Some(iterator.borrow().bind(py).clone())
            }
        }
    }
}

impl Payload for Awaitable {
    const NAME: &'static CStr = c"pounce.Awaitable";

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![
            slot(ffi::Py_am_await, itself as *mut c_void),
            slot(ffi::Py_tp_iter, itself as *mut c_void),
            slot(ffi::Py_tp_iternext, next as *mut c_void),
            METHODS.slot(),
        ]
    }
}

/// A new reference to the object itself.
pub(super) unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: attached, and the caller's object is alive.
    unsafe { ffi::Py_NewRef(object) }
}

/// NULL without an exception means done with None: the cheapest way there is.
unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            match payload::<Awaitable>(object)? {
                Awaitable::Nothing => {}
                Awaitable::Value(value) => {
                    ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr());
                }
                Awaitable::Waiting(iterator) => return Ok(advance(iterator.as_ptr())),
                Awaitable::Receiving { state, iterator } => loop {
                    let current = iterator.borrow().clone_ref(py);
                    let yielded = advance(current.as_ptr());
                    if !yielded.is_null() {
                        return Ok(yielded);
                    }
                    if !ffi::PyErr_Occurred().is_null()
                        && ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) == 0
                    {
                        return Ok(std::ptr::null_mut());
                    }
                    ffi::PyErr_Clear();
                    match state.received(py)? {
                        Ok(message) => {
                            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, message.as_ptr());
                            return Ok(std::ptr::null_mut());
                        }
                        Err(again) => drop(iterator.replace(again)),
                    }
                },
            }
            Ok(std::ptr::null_mut())
        })
    }
}

/// One step of an iterator, by its slot.
unsafe fn advance(iterator: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: `iterator` came out of `__await__`, which must be an iterator; the slot is checked all the same.
    unsafe {
        let next = ffi::PyType_GetSlot(ffi::Py_TYPE(iterator), ffi::Py_tp_iternext);
        if next.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"not an iterator".as_ptr());
            return std::ptr::null_mut();
        }
        let next: ffi::iternextfunc = std::mem::transmute(next);
        next(iterator)
    }
}

unsafe extern "C" fn send(object: *mut ffi::PyObject, _value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as for `next`. A method must say StopIteration where the slot may stay silent.
    unsafe {
        let result = next(object);
        if result.is_null() && ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
        }
        result
    }
}

unsafe extern "C" fn throw(object: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and a tuple.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            let arguments = Bound::from_borrowed_ptr(py, arguments).cast_into_unchecked::<PyTuple>();
            match payload::<Awaitable>(object)?.iterator(py) {
                Some(iterator) => Ok(iterator.call_method1("throw", arguments)?.into_ptr()),
                None => Err(thrown(&arguments)?),
            }
        })
    }
}

/// The exception that a `throw(exception)` or `throw(type, value, traceback)` means.
pub(super) fn thrown(arguments: &Bound<'_, PyTuple>) -> PyResult<PyErr> {
    let first = arguments.get_item(0)?;
    match arguments.get_item(1) {
        Ok(value) if !value.is_none() => Ok(PyErr::from_value(value)),
        _ => Ok(PyErr::from_value(first)),
    }
}

unsafe extern "C" fn close(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as for `next`.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            if let Some(iterator) = payload::<Awaitable>(object)?.iterator(py) {
                iterator.call_method0("close")?;
            }
            Ok(py.None().into_ptr())
        })
    }
}
