//! The coroutine that `receive()` and `send()` return. It does its work in its first step, as an `async def` does.
//!
//! It implements the whole coroutine protocol (`__await__`, `send`, `throw`, `close`), so that it can become a
//! task or be driven by hand. It finishes without yielding, or yields an asyncio future. Any thread may create
//! and drop one; only the thread of its loop can step it.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::app_coroutine::AppCoroutine;
use super::call::Progress;
use super::object::{ObjectValue, Ref, Visit, Visited, guard_owned, owned, shared};
use super::owner::Pool;
use super::slots::{Methods, itself, method_noargs, method_o, method_varargs, slot, thrown};

/// A coroutine of `receive()` or `send()`.
pub(super) struct Coroutine {
    /// The [`AppCoroutine`] of the request.
    call: Ref,
    operation: Operation,
    /// A [`Phase`].
    phase: AtomicU8,
    /// While it waits: what `future.__await__()` returned.
    iterator: Cell<Option<Ref>>,
}

/// What a coroutine does.
pub(super) enum Operation {
    /// Takes the next message.
    Receive,
    /// Sends this one.
    Send(Ref),
}

/// How far a coroutine has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    Created,
    Running,
    Waiting,
    Done,
}

impl Coroutine {
    pub(super) fn new(call: Ref, operation: Operation) -> Self {
        Self { call, operation, phase: AtomicU8::new(Phase::Created as u8), iterator: Cell::new(None) }
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Created,
            1 => Phase::Running,
            2 => Phase::Waiting,
            _ => Phase::Done,
        }
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Closes a coroutine that has not begun, on any thread. False if it has begun.
    fn close_unbegun(&self) -> bool {
        let (created, done) = (Phase::Created as u8, Phase::Done as u8);
        self.phase.compare_exchange(created, done, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Runs until it is done, with a value or with None, or must wait for a future, which it returns.
    fn step(&self, py: Python<'_>, call: &AppCoroutine) -> PyResult<Stepped> {
        let mut progress = match self.phase() {
            Phase::Created => {
                self.set_phase(Phase::Running);
                match &self.operation {
                    Operation::Receive => call.state.receive(py)?,
                    Operation::Send(message) => {
                        // SAFETY: attached, and the message is owned.
                        let message = unsafe { Bound::from_borrowed_ptr(py, message.as_ptr()) };
                        call.state.send(py, &message)?
                    }
                }
            }
            Phase::Waiting => {
                self.set_phase(Phase::Running);
                let Some(iterator) = self.iterator.take() else { return Ok(Stepped::Returned(None)) };
                Progress::Wait(iterator)
            }
            Phase::Running => {
                return Err(pyo3::exceptions::PyValueError::new_err("coroutine already executing"));
            }
            Phase::Done => {
                let text = "cannot reuse already awaited coroutine";
                return Err(pyo3::exceptions::PyRuntimeError::new_err(text));
            }
        };
        loop {
            let iterator = match progress {
                Progress::Done(value) => return Ok(Stepped::Returned(value)),
                Progress::Wait(iterator) => iterator,
            };
            // SAFETY: attached; it is an iterator, which `advance` checks.
            let yielded = unsafe { advance(iterator.as_ptr()) };
            if !yielded.is_null() {
                self.iterator.set(Some(iterator));
                self.set_phase(Phase::Waiting);
                return Ok(Stepped::Yielded(yielded));
            }
            // SAFETY: attached.
            unsafe {
                if !ffi::PyErr_Occurred().is_null()
                    && ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) == 0
                {
                    return Err(PyErr::fetch(py));
                }
                ffi::PyErr_Clear();
            }
            progress = match self.operation {
                Operation::Send(_) => return Ok(Stepped::Returned(None)),
                Operation::Receive => call.state.received(py)?,
            };
        }
    }

    /// Stops waiting; returns the iterator it waited by.
    fn leave(&self, call: &AppCoroutine) -> Option<Ref> {
        self.set_phase(Phase::Done);
        let iterator = self.iterator.take();
        if iterator.is_some() && matches!(self.operation, Operation::Receive) {
            call.state.leave_receive();
        }
        iterator
    }
}

/// How a step ended.
enum Stepped {
    Returned(Option<Py<PyAny>>),
    Yielded(*mut ffi::PyObject),
}

static METHODS: Methods<4> = Methods([
    method_o(c"send", send),
    method_varargs(c"throw", throw),
    method_noargs(c"close", close),
    ffi::PyMethodDef::zeroed(),
]);

impl ObjectValue for Coroutine {
    const NAME: &'static CStr = c"pounce.Coroutine";
    const ANY_THREAD: bool = true;
    const COLLECTED: bool = true;
    const POOL: Option<Pool> = Some(Pool::Coroutine);

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![
            slot(ffi::Py_am_await, itself as *mut c_void),
            slot(ffi::Py_tp_iter, itself as *mut c_void),
            slot(ffi::Py_tp_iternext, next as *mut c_void),
            METHODS.slot(),
        ]
    }

    fn traverse(&self, visit: &Visit) -> Visited {
        visit.show(self.call.as_ptr())?;
        if let Operation::Send(message) = &self.operation {
            visit.show(message.as_ptr())?;
        }
        // SAFETY: nothing else uses the cell now: the collector runs while no other thread runs Python, and no step is
        // in the middle of exchanging its content.
        match unsafe { &*self.iterator.as_ptr() } {
            Some(iterator) => visit.show(iterator.as_ptr()),
            None => Ok(()),
        }
    }

    fn finalize(&self) {
        if self.phase() != Phase::Created {
            return;
        }
        let text = match self.operation {
            Operation::Receive => c"coroutine 'receive' was never awaited",
            Operation::Send(_) => c"coroutine 'send' was never awaited: the message was not sent",
        };
        // SAFETY: objects die attached. A pending exception is restored after the warning.
        unsafe {
            let (mut kind, mut value, mut traceback) =
                (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
            #[allow(deprecated)] // its replacement is new in 3.12
            ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback);
            if ffi::PyErr_WarnEx(ffi::PyExc_RuntimeWarning, text.as_ptr(), 1) != 0 {
                ffi::PyErr_WriteUnraisable(std::ptr::null_mut());
            }
            #[allow(deprecated)]
            ffi::PyErr_Restore(kind, value, traceback);
        }
    }
}

/// NULL without an exception means done with None, which is the cheapest way.
unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type; its call is an `AppCoroutine`.
    unsafe {
        let coroutine = shared::<Coroutine>(object);
        let Some(call) = owned::<AppCoroutine>(coroutine.call.as_ptr()) else { return std::ptr::null_mut() };
        let py = Python::assume_attached();
        guard_owned(py, std::ptr::null_mut(), || {
            let stepped = coroutine.step(py, call);
            let value = match stepped {
                Ok(Stepped::Yielded(future)) => return Ok(future),
                Ok(Stepped::Returned(value)) => value,
                Err(error) => {
                    if coroutine.phase() == Phase::Running {
                        coroutine.set_phase(Phase::Done);
                    }
                    return Err(error);
                }
            };
            coroutine.set_phase(Phase::Done);
            if let Some(value) = value {
                ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr());
            }
            Ok(std::ptr::null_mut())
        })
    }
}

/// One step of an iterator, by its slot.
unsafe fn advance(iterator: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: `iterator` came from `__await__`, which must return an iterator; the slot is checked anyway.
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
    // SAFETY: as for `next`. A method must raise StopIteration where the slot may return NULL without it.
    unsafe {
        let result = next(object);
        if result.is_null() && ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_SetNone(ffi::PyExc_StopIteration);
        }
        result
    }
}

unsafe extern "C" fn throw(object: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and a tuple; its call is an `AppCoroutine`.
    unsafe {
        let coroutine = shared::<Coroutine>(object);
        let Some(call) = owned::<AppCoroutine>(coroutine.call.as_ptr()) else { return std::ptr::null_mut() };
        let py = Python::assume_attached();
        guard_owned(py, std::ptr::null_mut(), || {
            let arguments = Bound::from_borrowed_ptr(py, arguments).cast_into_unchecked::<PyTuple>();
            match coroutine.leave(call) {
                Some(iterator) => {
                    let iterator = Bound::from_borrowed_ptr(py, iterator.as_ptr());
                    Ok(iterator.call_method1("throw", arguments)?.into_ptr())
                }
                None => Err(thrown(&arguments)?),
            }
        })
    }
}

unsafe extern "C" fn close(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as for `throw`.
    unsafe {
        let coroutine = shared::<Coroutine>(object);
        if coroutine.close_unbegun() || coroutine.phase() == Phase::Done {
            return ffi::Py_NewRef(ffi::Py_None());
        }
        let Some(call) = owned::<AppCoroutine>(coroutine.call.as_ptr()) else {
            // The exception is set already.
            return std::ptr::null_mut();
        };
        let py = Python::assume_attached();
        guard_owned(py, std::ptr::null_mut(), || {
            if coroutine.phase() == Phase::Running {
                return Err(pyo3::exceptions::PyValueError::new_err("coroutine already executing"));
            }
            if let Some(iterator) = coroutine.leave(call) {
                Bound::from_borrowed_ptr(py, iterator.as_ptr()).call_method0("close")?;
            }
            Ok(py.None().into_ptr())
        })
    }
}
