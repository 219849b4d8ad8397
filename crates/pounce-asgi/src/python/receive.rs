//! The `receive` that an application is called with.

use std::ffi::CStr;
use std::rc::Rc;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::call::CallState;
use super::object::{Payload, guard, payload};

/// A callable without arguments that returns an awaitable of the next message.
pub(super) struct Receive(pub(super) Rc<CallState>);

impl Payload for Receive {
    const NAME: &'static CStr = c"pounce.Receive";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call);

    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }
}

unsafe extern "C" fn call(
    object: *mut ffi::PyObject,
    _arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            if ffi::PyVectorcall_NARGS(count) != 0 || !names.is_null() {
                return Err(PyTypeError::new_err("receive() takes no arguments"));
            }
            Ok(payload::<Receive>(object)?.0.receive(py)?.into_ptr())
        })
    }
}
