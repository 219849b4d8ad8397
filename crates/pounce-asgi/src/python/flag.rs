//! A callable that returns a bool which both Rust and Python set.
//!
//! asyncio's tasks and futures ask the loop whether it is in debug mode and whether it runs. A method in Python would
//! cost a frame each time.

use std::ffi::{CStr, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi;

use super::object::{ObjectValue, shared};
use super::slots::{Methods, method_o};

/// `flag()` returns the value, `flag.set(value)` sets it. Any thread may do either.
pub(super) struct Flag(pub(super) Arc<AtomicBool>);

static METHODS: Methods<2> = Methods([method_o(c"set", set), ffi::PyMethodDef::zeroed()]);

impl ObjectValue for Flag {
    const NAME: &'static CStr = c"pounce.Flag";
    const VECTORCALL: Option<ffi::vectorcallfunc> = Some(call);
    const ANY_THREAD: bool = true;

    fn slots() -> Vec<ffi::PyType_Slot> {
        vec![METHODS.slot()]
    }
}

unsafe extern "C" fn call(
    object: *mut ffi::PyObject,
    _arguments: *const *mut ffi::PyObject,
    _count: usize,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type.
    unsafe { ffi::PyBool_FromLong(shared::<Flag>(object).0.load(Ordering::Relaxed).into()) }
}

unsafe extern "C" fn set(object: *mut ffi::PyObject, value: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of this type and any other.
    unsafe {
        let value: c_int = ffi::PyObject_IsTrue(value);
        if value < 0 {
            return std::ptr::null_mut();
        }
        shared::<Flag>(object).0.store(value == 1, Ordering::Relaxed);
        ffi::Py_NewRef(ffi::Py_None())
    }
}
