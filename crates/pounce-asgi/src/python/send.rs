//! The `send` that an application is called with.

use std::ffi::CStr;
use std::rc::Rc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::call::CallState;
use super::message;
use super::object::{Payload, guard, payload};

/// A callable that takes one message and returns an awaitable of None.
pub(super) struct Send(pub(super) Rc<CallState>);

impl Payload for Send {
    const NAME: &'static CStr = c"pounce.Send";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

unsafe extern "C" fn call(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and that many arguments.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            // A message by keyword stands where the first positional would.
            let keywords = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) };
            if ffi::PyVectorcall_NARGS(count) + keywords != 1 {
                return Err(PyTypeError::new_err("send() takes one argument: the message"));
            }
            let message = Bound::from_borrowed_ptr(py, *arguments);
            let message = match message.cast::<PyDict>() {
                Ok(message) => message.clone(),
                // Any mapping will do; hardly anybody sends another than a dict.
                Err(_) => {
                    let copy = PyDict::new(py);
                    copy.call_method1("update", (&message,)).map_err(|_| {
                        PyTypeError::new_err(format!(
                            "a message must be a dict, got {}",
                            message::kind_of(&message)
                        ))
                    })?;
                    copy
                }
            };
            let state = &payload::<Send>(object)?.0;
            message::send(state, py, &message)?;
            Ok(state.sent(py)?.into_ptr())
        })
    }
}
