//! A loop's instance in memory: the core in it, and its end.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::ffi;
use pyo3::prelude::*;

use super::core::Core;
use super::errors;
use crate::python::object;

/// An instance in memory. Those of the loop's class are larger.
#[repr(C)]
pub(super) struct LoopObject {
    base: ffi::PyObject,
    pub(super) core: *mut Core,
}

/// The core of a loop; `None` if the object is no loop of ours.
///
/// # Safety
/// Attached; `object` is alive for as long as the result is used, or null.
#[inline]
pub(super) unsafe fn core_of<'a>(object: *mut ffi::PyObject) -> Option<&'a Core> {
    // SAFETY: by contract. Every class of loops has the destructor of instances that CPython gives to subclasses of this type, so
    // the type is told by its base.
    unsafe {
        if object.is_null() || !is_loop(ffi::Py_TYPE(object)) {
            return None;
        }
        Some(core(object))
    }
}

/// # Safety
/// Attached; the type is alive.
unsafe fn is_loop(kind: *mut ffi::PyTypeObject) -> bool {
    let mut base = kind;
    // SAFETY: by contract.
    unsafe {
        while !base.is_null() {
            if (*base).tp_dealloc.is_some_and(|function| function as usize == dealloc as *const () as usize) {
                return true;
            }
            base = (*base).tp_base;
        }
    }
    false
}

/// # Safety
/// `object` is an instance of the type, alive for as long as the result is used.
#[inline]
pub(super) unsafe fn core<'a>(object: *mut ffi::PyObject) -> &'a Core {
    // SAFETY: by contract; the core is written by `new`.
    unsafe { &*(*object.cast::<LoopObject>()).core }
}

/// Runs the body of a method. An error and a panic become exceptions.
#[inline]
pub(super) fn caught(body: impl FnOnce(Python<'_>) -> PyResult<*mut ffi::PyObject>) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods attached.
    let py = unsafe { Python::assume_attached() };
    let fault = c"a fault inside Pounce's event loop; please report it";
    object::caught(py, std::ptr::null_mut(), fault, || body(py))
}

/// Python's None.
pub(super) fn none(py: Python<'_>) -> PyResult<*mut ffi::PyObject> {
    Ok(py.None().into_ptr())
}

pub(super) unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: CPython calls this attached, once, with an instance that nothing refers to.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast());
        let core = (*object.cast::<LoopObject>()).core;
        if !core.is_null() {
            release(&*core);
            (*(*core).free.get()).give_back();
            drop(Box::from_raw(core));
        }
        let kind = ffi::Py_TYPE(object);
        if let Some(free) = (*kind).tp_free {
            free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

/// Drops what is ready, scheduled and watched.
///
/// # Safety
/// Attached.
pub(super) unsafe fn release_handles(core: &Core) {
    // SAFETY: by contract; each reference was owned.
    unsafe {
        for reference in core.take_all() {
            ffi::Py_DECREF(reference);
        }
    }
}

/// Drops all references that a loop owns.
///
/// # Safety
/// Attached.
unsafe fn release(core: &Core) {
    // SAFETY: by contract; the reference was owned.
    unsafe {
        release_handles(core);
        ffi::Py_XDECREF(core.thread.replace(std::ptr::null_mut()));
    }
}

pub(super) unsafe extern "C" fn traverse(
    object: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls this with a live instance.
    unsafe {
        let stop = visit(ffi::Py_TYPE(object).cast(), argument);
        if stop != 0 || (*object.cast::<LoopObject>()).core.is_null() {
            return stop;
        }
        core(object).each(|reference| visit(reference, argument))
    }
}

pub(super) unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector calls this attached, with a live instance.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { release(core(object)) }));
    0
}

/// Python's True or False.
///
/// # Safety
/// Attached.
pub(super) unsafe fn boolean(value: bool) -> *mut ffi::PyObject {
    // SAFETY: by contract.
    unsafe { ffi::Py_NewRef(if value { ffi::Py_True() } else { ffi::Py_False() }) }
}

/// Checks that an object is an instance of a class of asyncio's handles.
///
/// # Safety
/// Attached; both are alive.
pub(super) unsafe fn check_handle(
    py: Python<'_>,
    class: *mut ffi::PyTypeObject,
    handle: *mut ffi::PyObject,
) -> PyResult<()> {
    // SAFETY: by contract.
    unsafe {
        if ffi::PyObject_TypeCheck(handle, class) != 0 {
            return Ok(());
        }
        let name = Bound::from_borrowed_ptr(py, handle).get_type().name()?.to_string();
        Err(errors::wrong_type(py, &format!("expected a handle of asyncio, not {name}")))
    }
}
