//! Context variables: each request has its own copy (contextvars).

use pyo3::ffi;
use pyo3::prelude::*;

/// A `contextvars.Context`.
pub(super) struct Context(Py<PyAny>);

impl Context {
    /// A copy of the thread's current one.
    ///
    /// # Errors
    /// Memory is exhausted.
    pub(super) fn copy_current(py: Python<'_>) -> PyResult<Self> {
        // SAFETY: attached; a new reference or null.
        let copy = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
        Ok(Self(copy.unbind()))
    }

    /// Runs `body` in the context, as `Context.run` does.
    pub(super) fn run<R>(&self, py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        // SAFETY: attached, and the object is a context. Nothing else has entered it: it is a new copy.
        if unsafe { ffi::PyContext_Enter(self.0.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        let result = body();
        // SAFETY: it was entered last: `body` has left every context it entered.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        result
    }

    pub(super) fn as_object(&self) -> &Py<PyAny> {
        &self.0
    }
}
