//! The `receive` that an application is called with.

use std::ffi::CStr;
use std::rc::Rc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::call::CallState;
use super::object::{Callable, Payload, vectorcall};

/// A callable without arguments that returns an awaitable of the next message.
pub(super) struct Receive(pub(super) Rc<CallState>);

impl Payload for Receive {
    const NAME: &'static CStr = c"pounce.Receive";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(vectorcall::<Self>);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

impl Callable for Receive {
    fn call<'py>(&self, py: Python<'py>, arguments: &[Bound<'py, PyAny>]) -> PyResult<Py<PyAny>> {
        if !arguments.is_empty() {
            return Err(PyTypeError::new_err("receive() takes no arguments"));
        }
        self.0.receive(py)
    }
}
