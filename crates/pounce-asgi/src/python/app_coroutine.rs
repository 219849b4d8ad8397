//! The coroutine that a request's task runs: a wrapper of the application's coroutine.
//!
//! It forwards every step and notes the end, which saves a done-callback and the loop's turn for it. An application
//! that raises, `SystemExit` included, ends only its exchange. All attributes other than the coroutine protocol are
//! the inner coroutine's: `cr_frame`, `cr_await`, names.
//!
//! `receive`, `send` and their coroutines refer to it, so that the garbage collector sees one owner of the Python
//! objects of a call.

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, c_void};
use std::rc::Rc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::call::CallState;
use super::object::{ObjectValue, Ref, Visit, Visited, guard, peek};
use super::owner::Pool;
use super::pulse;
use super::slots::{Methods, itself, method_noargs, method_o, method_varargs, slot, thrown};

/// The coroutine of one call.
pub(super) struct AppCoroutine {
    /// An iterator: the application's coroutine, or the result of its awaitable's `__await__`. Set before the task
    /// exists, so before the first step.
    inner: OnceCell<Ref>,
    pub(super) state: Rc<CallState>,
    /// What the next step comes to, if it has been taken already.
    anticipated: Cell<Option<PyResult<Option<Ref>>>>,
    /// Whether the task was cancelled during that step, and the future that it yielded is still to be.
    was_cancelled: Cell<bool>,
}

impl AppCoroutine {
    pub(super) fn new(state: Rc<CallState>) -> Self {
        Self { inner: OnceCell::new(), state, anticipated: Cell::new(None), was_cancelled: Cell::new(false) }
    }

    /// Wraps the awaitable that the application returned.
    ///
    /// # Errors
    /// It is not awaitable.
    pub(super) fn watch(&self, returned: Bound<'_, PyAny>) -> PyResult<()> {
        // SAFETY: a bound object is proof of being attached; only types are looked at.
        let is_iterator = unsafe {
            ffi::Py_IS_TYPE(returned.as_ptr(), &raw mut ffi::PyCoro_Type) != 0
                || ffi::Py_IS_TYPE(returned.as_ptr(), &raw mut ffi::PyGen_Type) != 0
        };
        let inner = if is_iterator {
            returned
        } else {
            let name = &self.state.asyncio.names.dunder_await;
            returned.call_method0(name).map_err(|error| {
                let Ok(kind) = returned.get_type().qualname() else { return error };
                PyTypeError::new_err(format!("the application must return an awaitable, it returned {kind}"))
            })?
        };
        let _ = self.inner.set(inner.unbind().into());
        Ok(())
    }

    fn inner(&self) -> *mut ffi::PyObject {
        // SAFETY: the singleton lives as long as the interpreter. It stands in for a coroutine that does not exist yet:
        // attribute lookups on it fail as they should.
        self.inner.get().map_or_else(|| unsafe { ffi::Py_None() }, Ref::as_ptr)
    }

    /// Notes an exception that ended the application; returns it if the task must see it too.
    fn failed(&self, py: Python<'_>, error: PyErr) -> Option<PyErr> {
        if self.state.is_cancelled(py, &error) {
            self.state.finish(crate::Outcome::Failed);
            return Some(error);
        }
        self.state.raised(py, error);
        None
    }

    /// Takes a step: sends `value` to the application's coroutine. Returns what it yields; None if it has ended.
    ///
    /// # Errors
    /// The exception that the task must see.
    pub(super) fn step(&self, py: Python<'_>, value: *mut ffi::PyObject) -> PyResult<Option<Ref>> {
        let mut stepped = std::ptr::null_mut();
        // SAFETY: attached; the value is alive, and there is a place for the result.
        let step = || unsafe { ffi::PyIter_Send(self.inner(), value, &raw mut stepped) };
        let status = pulse::serve(self.state.request(), step);
        self.after(py, status, stepped)
    }

    /// Has the next step come to this, which a step taken already has come to.
    pub(super) fn anticipate(&self, stepped: PyResult<Option<Ref>>) {
        self.anticipated.set(Some(stepped));
    }

    /// The task begins the step that has been taken already with an exception, as it was cancelled meanwhile.
    fn cancelled_before(
        &self,
        anticipated: PyResult<Option<Ref>>,
        thrown: PyErr,
    ) -> PyResult<*mut ffi::PyObject> {
        match anticipated? {
            Some(future) => {
                self.was_cancelled.set(true);
                Ok(future.into_ptr())
            }
            None => Err(thrown),
        }
    }

    /// Whether the future that the last step yielded is to be cancelled, as the task was.
    pub(super) fn take_cancelled(&self) -> bool {
        self.was_cancelled.take()
    }

    /// Ends a step that yielded, returned or raised.
    fn after(
        &self,
        py: Python<'_>,
        status: ffi::PySendResult,
        result: *mut ffi::PyObject,
    ) -> PyResult<Option<Ref>> {
        match status {
            // SAFETY: a step passes on ownership of what it yields.
            ffi::PySendResult::PYGEN_NEXT => Ok(Some(unsafe { Ref::from_owned(result) })),
            ffi::PySendResult::PYGEN_RETURN => {
                // SAFETY: a step that returned passes on ownership of its value.
                drop(unsafe { Bound::from_owned_ptr(py, result) });
                self.state.finish(crate::Outcome::Returned);
                Ok(None)
            }
            ffi::PySendResult::PYGEN_ERROR => self.failed(py, PyErr::fetch(py)).map_or(Ok(None), Err),
        }
    }
}

static METHODS: Methods<4> = Methods([
    method_o(c"send", send_method),
    method_varargs(c"throw", throw),
    method_noargs(c"close", close),
    ffi::PyMethodDef::zeroed(),
]);

impl ObjectValue for AppCoroutine {
    const NAME: &'static CStr = c"pounce.Application";
    const COLLECTED: bool = true;
    const POOL: Option<Pool> = Some(Pool::AppCoroutine);

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![
            slot(ffi::Py_am_await, itself as *mut c_void),
            slot(ffi::Py_am_send, send as *mut c_void),
            slot(ffi::Py_tp_iter, itself as *mut c_void),
            slot(ffi::Py_tp_iternext, next as *mut c_void),
            slot(ffi::Py_tp_getattro, attribute as *mut c_void),
            METHODS.slot(),
        ]
    }

    fn traverse(&self, visit: &Visit) -> Visited {
        if let Some(inner) = self.inner.get() {
            visit.show(inner.as_ptr())?;
        }
        self.state.traverse(visit)
    }

    fn clear(&self) {
        self.state.clear();
    }
}

/// One step through `am_send`, which asyncio's task uses.
unsafe extern "C" fn send(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: CPython calls this attached, with an object of this type and a place for the result.
    unsafe {
        guard(object, ffi::PySendResult::PYGEN_ERROR, |py, coroutine: &AppCoroutine| {
            let stepped = match coroutine.anticipated.take() {
                Some(anticipated) => anticipated,
                None => coroutine.step(py, value),
            };
            Ok(match stepped? {
                Some(yielded) => {
                    result.write(yielded.into_ptr());
                    ffi::PySendResult::PYGEN_NEXT
                }
                None => {
                    result.write(py.None().into_ptr());
                    ffi::PySendResult::PYGEN_RETURN
                }
            })
        })
    }
}

unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: attached, as above.
    unsafe { step(object, ffi::Py_None()) }
}

unsafe extern "C" fn send_method(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: attached, as above.
    unsafe { step(object, value) }
}

unsafe fn step(object: *mut ffi::PyObject, value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let mut result = std::ptr::null_mut();
    // SAFETY: by the callers'.
    unsafe {
        match send(object, value, &mut result) {
            ffi::PySendResult::PYGEN_NEXT => return result,
            ffi::PySendResult::PYGEN_RETURN => {
                ffi::Py_DECREF(result);
                ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
            }
            ffi::PySendResult::PYGEN_ERROR => {}
        }
    }
    std::ptr::null_mut()
}

unsafe extern "C" fn throw(object: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and a tuple.
    unsafe {
        guard(object, std::ptr::null_mut(), |py, coroutine: &AppCoroutine| {
            let arguments = Bound::from_borrowed_ptr(py, arguments).cast_into_unchecked::<PyTuple>();
            if let Some(anticipated) = coroutine.anticipated.take() {
                return coroutine.cancelled_before(anticipated, thrown(&arguments)?);
            }
            let inner = Bound::from_borrowed_ptr(py, coroutine.inner());
            let stepped = match inner.getattr(&coroutine.state.asyncio.names.throw) {
                Ok(throw) => pulse::serve(coroutine.state.request(), || throw.call1(&arguments)),
                Err(_) => Err(thrown(&arguments)?),
            };
            let (status, result) = match stepped {
                Ok(yielded) => (ffi::PySendResult::PYGEN_NEXT, yielded.into_ptr()),
                Err(error) if error.is_instance_of::<pyo3::exceptions::PyStopIteration>(py) => {
                    (ffi::PySendResult::PYGEN_RETURN, py.None().into_ptr())
                }
                Err(error) => {
                    error.restore(py);
                    (ffi::PySendResult::PYGEN_ERROR, std::ptr::null_mut())
                }
            };
            match coroutine.after(py, status, result)? {
                Some(yielded) => Ok(yielded.into_ptr()),
                None => {
                    ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
                    Ok(std::ptr::null_mut())
                }
            }
        })
    }
}

unsafe extern "C" fn close(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        guard(object, std::ptr::null_mut(), |py, coroutine: &AppCoroutine| {
            let inner = Bound::from_borrowed_ptr(py, coroutine.inner());
            let closed = match inner.hasattr("close")? {
                true => inner.call_method0("close").map(drop),
                false => Ok(()),
            };
            coroutine.state.finish(crate::Outcome::Failed);
            closed.map(|()| py.None().into_ptr())
        })
    }
}

/// This type's attributes first, then the inner coroutine's. On any thread: debuggers print the stacks of all tasks.
unsafe extern "C" fn attribute(object: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and a str. The inner coroutine is set before
    // there is a task by which another thread could have come here.
    unsafe {
        let own = ffi::PyObject_GenericGetAttr(object, name);
        if !own.is_null() || ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0 {
            return own;
        }
        ffi::PyErr_Clear();
        ffi::PyObject_GetAttr(peek::<AppCoroutine>(object).inner(), name)
    }
}
