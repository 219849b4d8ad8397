//! The `send` that an application is called with.

use std::ffi::CStr;
use std::rc::Rc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::call::CallState;
use super::message;
use super::object::{Callable, Payload, vectorcall};

/// A callable that takes one message, by position or by name, and returns an awaitable of None.
pub(super) struct Send(pub(super) Rc<CallState>);

impl Payload for Send {
    const NAME: &'static CStr = c"pounce.Send";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(vectorcall::<Self>);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

impl Callable for Send {
    fn call<'py>(&self, py: Python<'py>, arguments: &[Bound<'py, PyAny>]) -> PyResult<Py<PyAny>> {
        let [message] = arguments else {
            return Err(PyTypeError::new_err("send() takes one argument: the message"));
        };
        match message.cast::<PyDict>() {
            Ok(message) => message::send(&self.0, message)?,
            // Any mapping will do; hardly anybody sends another than a dict.
            Err(_) => {
                let copy = PyDict::new(py);
                copy.call_method1("update", (message,)).map_err(|_| {
                    PyTypeError::new_err(format!(
                        "a message must be a dict, got {}",
                        message::kind_of(message)
                    ))
                })?;
                message::send(&self.0, &copy)?;
            }
        }
        self.0.sent(py)
    }
}
