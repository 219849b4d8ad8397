//! asyncio's set of all tasks, with the two functions that every task of every loop goes through in Rust.
//!
//! Up to Python 3.13 it is a `weakref.WeakSet`: Python code adds each task that is made, and more of it removes each that dies. Its
//! methods are found through the instance, so an attribute of the instance can take the place of `add`; its callback for dead
//! objects is such an attribute anyway.

use std::ffi::{CStr, c_char};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};

use crate::python::slots::{Methods, method_o};

/// The name of the set in `_asyncio`: of this Python, and of 3.11.
const NAMES: [&str; 2] = ["_scheduled_tasks", "_all_tasks"];

/// Makes the set faster, if this Python has it and it is as expected.
///
/// # Errors
/// Memory is exhausted.
pub(super) fn make_faster(py: Python<'_>) -> PyResult<()> {
    if cfg!(Py_GIL_DISABLED) {
        return Ok(());
    }
    let module = py.import("_asyncio")?;
    let Some(tasks) = NAMES.iter().find_map(|name| module.getattr(*name).ok()) else { return Ok(()) };
    if !tasks.get_type().is(&py.import("weakref")?.getattr("WeakSet")?) {
        return Ok(());
    }
    let Ok(attributes) = tasks.getattr("__dict__")?.cast_into::<PyDict>() else { return Ok(()) };
    let part = |name: &str| attributes.get_item(name).ok().flatten();
    let (Some(data), Some(iterating), Some(pending)) =
        (part("data"), part("_iterating"), part("_pending_removals"))
    else {
        return Ok(());
    };
    let is_known = data.is_instance_of::<PySet>()
        && iterating.is_instance_of::<PySet>()
        && pending.is_instance_of::<PyList>()
        && part("add").is_none();
    let Ok(commit) = tasks.getattr("_commit_removals") else { return Ok(()) };
    if !is_known {
        return Ok(());
    }
    let remove = function(&REMOVE.0[0], &PyTuple::new(py, [&data, &iterating, &pending])?)?;
    let add = function(&ADD.0[0], &PyTuple::new(py, [&data, &remove, &pending, &commit])?)?;
    attributes.set_item("_remove", remove)?;
    attributes.set_item("add", add)
}

static ADD: Methods<1> = Methods([described(c"add", add, c"Adds an object to the set.")]);
static REMOVE: Methods<1> =
    Methods([described(c"_remove", remove, c"Removes the weak reference of a dead object.")]);

type Method = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;

const fn described(name: &'static CStr, function: Method, text: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_doc: text.as_ptr().cast::<c_char>(), ..method_o(name, function) }
}

/// A function that gets `parts` as its first argument.
fn function<'py>(
    definition: &'static ffi::PyMethodDef,
    parts: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached; CPython only reads the definition, which is static.
    unsafe {
        let definition = std::ptr::from_ref(definition).cast_mut();
        let made = ffi::PyCFunction_NewEx(definition, parts.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(parts.py(), made)
    }
}

/// `WeakSet.add`.
unsafe extern "C" fn add(parts: *mut ffi::PyObject, item: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with the parts that the function was made of, on any thread.
    unsafe {
        let part = |at| ffi::PyTuple_GET_ITEM(parts, at);
        let (data, remove, pending, commit) = (part(0), part(1), part(2), part(3));
        if ffi::PyList_GET_SIZE(pending) > 0 {
            let committed = ffi::PyObject_CallNoArgs(commit);
            if committed.is_null() {
                return committed;
            }
            ffi::Py_DECREF(committed);
        }
        let reference = ffi::PyWeakref_NewRef(item, remove);
        if reference.is_null() {
            return reference;
        }
        let added = ffi::PySet_Add(data, reference);
        ffi::Py_DECREF(reference);
        if added < 0 { std::ptr::null_mut() } else { ffi::Py_NewRef(ffi::Py_None()) }
    }
}

/// The callback of the weak references. Not while somebody iterates over the set.
unsafe extern "C" fn remove(parts: *mut ffi::PyObject, reference: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        let part = |at| ffi::PyTuple_GET_ITEM(parts, at);
        let (data, iterating, pending) = (part(0), part(1), part(2));
        let removed = if ffi::PySet_GET_SIZE(iterating) > 0 {
            ffi::PyList_Append(pending, reference)
        } else {
            ffi::PySet_Discard(data, reference)
        };
        if removed < 0 { std::ptr::null_mut() } else { ffi::Py_NewRef(ffi::Py_None()) }
    }
}
