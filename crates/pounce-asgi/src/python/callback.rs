//! A Python callable around a Rust closure, for rare calls.

use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::object::{ObjectValue, guard, shared};

/// A closure that Python can call with positional arguments.
pub(super) struct Callback {
    run: Box<CallbackFn>,
}

/// Called attached, with the arguments. An error is raised in Python.
type CallbackFn = dyn Fn(&[Bound<'_, PyAny>]) -> PyResult<()>;

impl Callback {
    pub(super) fn new(run: impl Fn(&[Bound<'_, PyAny>]) -> PyResult<()> + 'static) -> Self {
        Self { run: Box::new(run) }
    }
}

impl ObjectValue for Callback {
    const NAME: &'static CStr = c"pounce.Callback";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call);
}

unsafe extern "C" fn call(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type, that many positional arguments, and
    // behind them one for each name.
    unsafe {
        guard(object, std::ptr::null_mut(), |py, callback: &Callback| {
            let keywords = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) as usize };
            let count = ffi::PyVectorcall_NARGS(count) as usize + keywords;
            let arguments = (0..count).map(|at| Bound::from_borrowed_ptr(py, *arguments.add(at)));
            (callback.run)(&arguments.collect::<Vec<_>>())?;
            Ok(py.None().into_ptr())
        })
    }
}

/// A callable that wakes a task, from whichever thread it is called.
pub(super) struct Wake(pub(super) std::task::Waker);

impl ObjectValue for Wake {
    const NAME: &'static CStr = c"pounce.Wake";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(wake);
    const ANY_THREAD: bool = true;
}

unsafe extern "C" fn wake(
    object: *mut ffi::PyObject,
    _arguments: *const *mut ffi::PyObject,
    _count: usize,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type; wakers may be used by any thread.
    unsafe {
        shared::<Wake>(object).0.wake_by_ref();
        ffi::Py_NewRef(ffi::Py_None())
    }
}
