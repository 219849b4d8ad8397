//! `call_soon()`, `call_soon_threadsafe()`, `call_later()` and `call_at()`.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::core::Core;
use super::handle;
use super::instance::{caught, core};
use super::turn;

/// The arguments of a method that takes a callback.
struct Call<'a> {
    positional: &'a [*mut ffi::PyObject],
    /// Null if there is none.
    context: *mut ffi::PyObject,
}

/// Reads arguments. `None` where something is unusual, for asyncio's own method to read.
///
/// # Safety
/// As of a `METH_FASTCALL | METH_KEYWORDS` function.
#[inline]
unsafe fn read_call<'a>(
    core: &Core,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    least: usize,
) -> Option<Call<'a>> {
    let count = count as usize;
    if count < least || core.is_debug() || core.is_closed() {
        return None;
    }
    // SAFETY: by contract, so many arguments are there, and behind them one for each name.
    unsafe {
        let positional = std::slice::from_raw_parts(arguments, count);
        if names.is_null() || ffi::Py_SIZE(names) == 0 {
            return Some(Call { positional, context: std::ptr::null_mut() });
        }
        let name = ffi::PyTuple_GetItem(names, 0);
        if ffi::Py_SIZE(names) != 1 || name != core.kinds().names.context.as_ptr() {
            return None;
        }
        let context = *arguments.add(count);
        let context = if context == ffi::Py_None() { std::ptr::null_mut() } else { context };
        Some(Call { positional, context })
    }
}

/// Calls a Python method of the loop with the same arguments.
unsafe fn forward(
    object: *mut ffi::PyObject,
    method: &Py<PyString>,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython's arguments are passed on.
    unsafe {
        let bound = ffi::PyObject_GetAttr(object, method.as_ptr());
        if bound.is_null() {
            return bound;
        }
        let result = ffi::PyObject_Vectorcall(bound, arguments, count as usize, names);
        ffi::Py_DECREF(bound);
        result
    }
}

/// A new tuple of these; null with an exception set if memory is exhausted.
///
/// # Safety
/// Attached; the objects are alive.
#[inline]
unsafe fn tuple(objects: &[*mut ffi::PyObject]) -> *mut ffi::PyObject {
    // SAFETY: by contract.
    unsafe {
        let tuple = ffi::PyTuple_New(objects.len() as ffi::Py_ssize_t);
        if !tuple.is_null() {
            for (at, object) in objects.iter().enumerate() {
                ffi::PyTuple_SET_ITEM(tuple, at as ffi::Py_ssize_t, ffi::Py_NewRef(*object));
            }
        }
        tuple
    }
}

/// A handle for a call of `callback` with `arguments`; a timer if `when`, which is taken over, is not null.
///
/// # Safety
/// Attached; all objects are alive.
#[inline]
unsafe fn handle_for(
    py: Python<'_>,
    object: *mut ffi::PyObject,
    core: &Core,
    call: &Call<'_>,
    skipped: usize,
    when: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: by contract.
    unsafe {
        let arguments = tuple(&call.positional[skipped + 1..]);
        if arguments.is_null() {
            ffi::Py_XDECREF(when);
            return Err(PyErr::fetch(py));
        }
        let callback = call.positional[skipped];
        let made = handle::make(core.kinds(), &core.free, object, callback, arguments, call.context, when);
        if made.is_null() { Err(PyErr::fetch(py)) } else { Ok(made) }
    }
}

pub(super) unsafe extern "C" fn call_soon(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type.
    caught(|py| unsafe {
        let core = core(object);
        let Some(call) = read_call(core, arguments, count, names, 1) else {
            return Ok(forward(object, &core.kinds().names.slow_call_soon, arguments, count, names));
        };
        let handle = handle_for(py, object, core, &call, 0, std::ptr::null_mut())?;
        core.push(ffi::Py_NewRef(handle));
        Ok(handle)
    })
}

pub(super) unsafe extern "C" fn call_soon_threadsafe(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        let Some(call) = read_call(core, arguments, count, names, 1) else {
            let method = &core.kinds().names.slow_call_soon_threadsafe;
            return Ok(forward(object, method, arguments, count, names));
        };
        let handle = handle_for(py, object, core, &call, 0, std::ptr::null_mut())?;
        core.send(ffi::Py_NewRef(handle));
        Ok(handle)
    })
}

pub(super) unsafe extern "C" fn call_later(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        let call =
            read_call(core, arguments, count, names, 2).filter(|call| call.positional[0] != ffi::Py_None());
        let Some(call) = call else {
            return Ok(forward(object, &core.kinds().names.slow_call_later, arguments, count, names));
        };
        let now = Bound::from_borrowed_ptr(py, object).call_method0(&core.kinds().names.time)?;
        let when = Bound::from_owned_ptr_or_err(py, ffi::PyNumber_Add(now.as_ptr(), call.positional[0]))?;
        start_timer(py, object, core, &call, when)
    })
}

pub(super) unsafe extern "C" fn call_at(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        let call =
            read_call(core, arguments, count, names, 2).filter(|call| call.positional[0] != ffi::Py_None());
        let Some(call) = call else {
            return Ok(forward(object, &core.kinds().names.slow_call_at, arguments, count, names));
        };
        let when = Bound::from_borrowed_ptr(py, call.positional[0]);
        start_timer(py, object, core, &call, when)
    })
}

/// # Safety
/// Attached; `object` is the loop of `core`, and all objects are alive.
unsafe fn start_timer(
    py: Python<'_>,
    object: *mut ffi::PyObject,
    core: &Core,
    call: &Call<'_>,
    when: Bound<'_, PyAny>,
) -> PyResult<*mut ffi::PyObject> {
    let at = turn::seconds(&when)?;
    // SAFETY: by contract.
    unsafe {
        let timer = handle_for(py, object, core, call, 1, when.into_ptr())?;
        core.schedule(at, ffi::Py_NewRef(timer));
        Ok(timer)
    }
}
