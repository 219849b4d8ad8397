//! Exceptions, raised at once: one that PyO3 makes lazily has references that it drops, which it may only on threads that it has
//! attached.

use std::ffi::CString;
use std::io;

use nix::errno::Errno;
use pyo3::ffi;
use pyo3::prelude::*;

/// An `OSError`, of the class that is the error's.
pub(super) fn os(py: Python<'_>, error: &io::Error) -> PyErr {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO)).set();
    // SAFETY: attached.
    unsafe { ffi::PyErr_SetFromErrno(ffi::PyExc_OSError) };
    PyErr::fetch(py)
}

/// A `TypeError`.
pub(super) fn wrong_type(py: Python<'_>, text: &str) -> PyErr {
    // SAFETY: attached, and the class is always there.
    raise(py, unsafe { ffi::PyExc_TypeError }, text)
}

/// What asyncio raises for a closed loop.
pub(super) fn closed(py: Python<'_>) -> PyErr {
    // SAFETY: as above.
    raise(py, unsafe { ffi::PyExc_RuntimeError }, "Event loop is closed")
}

/// What asyncio's debug mode raises for a call on a thread other than the loop's.
pub(super) fn elsewhere(py: Python<'_>) -> PyErr {
    let text = "Non-thread-safe operation invoked on an event loop other than the current one";
    // SAFETY: as above.
    raise(py, unsafe { ffi::PyExc_RuntimeError }, text)
}

fn raise(py: Python<'_>, class: *mut ffi::PyObject, text: &str) -> PyErr {
    let text = CString::new(text).unwrap_or_default();
    // SAFETY: attached; the class is alive.
    unsafe { ffi::PyErr_SetString(class, text.as_ptr()) };
    PyErr::fetch(py)
}

/// Takes the exception that a callback has raised.
///
/// # Errors
/// It is one that ends the loop.
pub(super) fn take_of_callback(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: attached, and the classes are always there.
    let ends_the_loop = unsafe {
        ffi::PyErr_ExceptionMatches(ffi::PyExc_SystemExit) != 0
            || ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyboardInterrupt) != 0
    };
    if ends_the_loop { Err(PyErr::fetch(py)) } else { take(py) }
}

/// Takes the exception that is set, with its traceback.
pub(super) fn take(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: attached; an exception is set, and the references are owned.
    unsafe {
        #[cfg(Py_3_12)]
        let error = ffi::PyErr_GetRaisedException();
        #[cfg(not(Py_3_12))]
        let error = {
            let (mut kind, mut value, mut traceback) =
                (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
            ffi::PyErr_Fetch(&mut kind, &mut value, &mut traceback);
            ffi::PyErr_NormalizeException(&mut kind, &mut value, &mut traceback);
            if !traceback.is_null() {
                ffi::PyException_SetTraceback(value, traceback);
            }
            ffi::Py_XDECREF(kind);
            ffi::Py_XDECREF(traceback);
            value
        };
        Bound::from_owned_ptr_or_err(py, error)
    }
}
