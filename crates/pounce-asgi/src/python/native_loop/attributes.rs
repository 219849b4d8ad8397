//! The attributes of a loop that asyncio's code reads and sets, and the core keeps.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi;

use super::core::{Core, thread_number};
use super::instance::{boolean, core};
use crate::python::slots::{Attributes, NO_ATTRIBUTE};

pub(super) static ATTRIBUTES: Attributes<6> = Attributes([
    flag(c"_stopping", 0),
    flag(c"_closed", 1),
    flag(c"_debug", 2),
    attribute(c"_thread_id", get_thread, set_thread),
    attribute(c"_timer_cancelled_count", get_cancelled_count, set_cancelled_count),
    NO_ATTRIBUTE,
]);

const fn attribute(name: &'static CStr, get: ffi::getter, set: ffi::setter) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef { name: name.as_ptr(), get: Some(get), set: Some(set), ..NO_ATTRIBUTE }
}

/// An attribute that is true or false: the flag of that number.
const fn flag(name: &'static CStr, number: usize) -> ffi::PyGetSetDef {
    let closure = std::ptr::without_provenance_mut(number);
    ffi::PyGetSetDef { closure, ..attribute(name, get_flag, set_flag) }
}

/// The flag of a loop that the closure of its attribute names.
fn flag_of(core: &Core, closure: *mut c_void) -> &AtomicBool {
    match closure.addr() {
        0 => &core.stopping,
        1 => &core.closed,
        _ => &core.debug,
    }
}

unsafe extern "C" fn get_flag(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type; likewise below.
    unsafe { boolean(flag_of(core(object), closure).load(Ordering::Relaxed)) }
}

/// Sets a flag to the truth of what is assigned.
unsafe extern "C" fn set_flag(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    closure: *mut c_void,
) -> c_int {
    // SAFETY: as above; null is a deletion.
    unsafe {
        if value.is_null() {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"the attribute cannot be deleted".as_ptr());
            return -1;
        }
        match ffi::PyObject_IsTrue(value) {
            -1 => return -1,
            truth => flag_of(core(object), closure).store(truth != 0, Ordering::Relaxed),
        }
    }
    0
}

unsafe extern "C" fn get_thread(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let thread = core(object).thread.get();
        ffi::Py_NewRef(if thread.is_null() { ffi::Py_None() } else { thread })
    }
}

/// asyncio sets it when the loop begins and ends to run, on the thread that runs it.
unsafe extern "C" fn set_thread(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: as above. The loop has the new value before the old one is dropped.
    unsafe {
        let core = core(object);
        let runs = !value.is_null() && value != ffi::Py_None();
        core.running_on.store(if runs { thread_number() } else { 0 }, Ordering::Relaxed);
        let thread = if runs { ffi::Py_NewRef(value) } else { std::ptr::null_mut() };
        ffi::Py_XDECREF(core.thread.replace(thread));
    }
    0
}

unsafe extern "C" fn get_cancelled_count(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { ffi::PyLong_FromSize_t(core(object).cancelled_timers.load(Ordering::Relaxed)) }
}

/// asyncio sets it to zero in a new loop.
unsafe extern "C" fn set_cancelled_count(
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    0
}
