//! A Python callable around a Rust closure, for what is called seldom.

use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::object::{Callable, Payload, guard, shared_payload, vectorcall};

/// A closure that Python can call with positional arguments.
pub(super) struct Callback {
    run: Box<CallbackFn>,
}

/// Attached, with the arguments; what it returns is ignored unless it is an error.
type CallbackFn = dyn Fn(&[Bound<'_, PyAny>]) -> PyResult<()>;

impl Callback {
    pub(super) fn new(run: impl Fn(&[Bound<'_, PyAny>]) -> PyResult<()> + 'static) -> Self {
        Self { run: Box::new(run) }
    }
}

impl Payload for Callback {
    const NAME: &'static CStr = c"pounce.Callback";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(vectorcall::<Self>);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

impl Callable for Callback {
    fn call<'py>(&self, py: Python<'py>, arguments: &[Bound<'py, PyAny>]) -> PyResult<Py<PyAny>> {
        (self.run)(arguments)?;
        Ok(py.None())
    }
}

/// A callable that wakes a task, from whichever thread it is called.
pub(super) struct Wake(pub(super) std::task::Waker);

impl Payload for Wake {
    const NAME: &'static CStr = c"pounce.Wake";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(wake);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

unsafe extern "C" fn wake(
    object: *mut ffi::PyObject,
    _arguments: *const *mut ffi::PyObject,
    _count: usize,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type; wakers may be used by any thread.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            shared_payload::<Wake>(object).0.wake_by_ref();
            Ok(py.None().into_ptr())
        })
    }
}
