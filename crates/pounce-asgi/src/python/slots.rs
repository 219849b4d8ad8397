//! Slots and methods of the types in `object.rs`.

use std::ffi::{CStr, c_char, c_int, c_void};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

pub(super) fn slot(number: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: function }
}

/// A method that takes one argument.
pub(super) const fn method_o(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: ffi::METH_O,
        ml_doc: std::ptr::null::<c_char>(),
    }
}

/// A method that takes any positional arguments, as a tuple.
pub(super) const fn method_varargs(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_flags: ffi::METH_VARARGS, ..method_o(name, function) }
}

/// A method that takes nothing.
pub(super) const fn method_noargs(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_flags: ffi::METH_NOARGS, ..method_o(name, function) }
}

/// Methods of a type, in static memory: CPython keeps pointers to it.
pub(super) struct Methods<const N: usize>(pub(super) [ffi::PyMethodDef; N]);

// SAFETY: names and functions are constants, and nothing writes to them.
unsafe impl<const N: usize> Sync for Methods<N> {}

impl<const N: usize> Methods<N> {
    /// The slot that installs them.
    pub(super) fn slot(&'static self) -> ffi::PyType_Slot {
        slot(ffi::Py_tp_methods, self.0.as_ptr().cast_mut().cast())
    }
}

/// Attributes of a type, in static memory: CPython keeps pointers to it. The last one is [`NO_ATTRIBUTE`].
pub(super) struct Attributes<const N: usize>(pub(super) [ffi::PyGetSetDef; N]);

// SAFETY: names, functions and closures are constants, and nothing writes to them.
unsafe impl<const N: usize> Sync for Attributes<N> {}

impl<const N: usize> Attributes<N> {
    /// The slot that installs them.
    pub(super) fn slot(&'static self) -> ffi::PyType_Slot {
        slot(ffi::Py_tp_getset, self.0.as_ptr().cast_mut().cast())
    }
}

/// The end of a list of attributes.
pub(super) const NO_ATTRIBUTE: ffi::PyGetSetDef = ffi::PyGetSetDef {
    name: std::ptr::null(),
    get: None,
    set: None,
    doc: std::ptr::null(),
    closure: std::ptr::null_mut(),
};

/// A new reference to the object itself.
pub(super) unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: attached, and the caller's object is alive.
    unsafe { ffi::Py_NewRef(object) }
}

/// The exception that a `throw(exception)` or `throw(type, value, traceback)` means.
pub(super) fn thrown(arguments: &Bound<'_, PyTuple>) -> PyResult<PyErr> {
    let first = arguments.get_item(0)?;
    match arguments.get_item(1) {
        Ok(value) if !value.is_none() => Ok(PyErr::from_value(value)),
        _ => Ok(PyErr::from_value(first)),
    }
}
