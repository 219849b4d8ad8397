//! `call_soon()`, `call_soon_threadsafe()`, `call_later()` and `call_at()`.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::core::Core;
use super::handle::{self, Callback};
use super::instance::{caught, core};
use super::kinds::{Kind, Kinds, Names};
use super::turn;

/// The arguments of a call, as CPython passes them.
#[derive(Clone, Copy)]
struct Passed {
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
}

/// The arguments of a method that takes a callback.
struct Call<'a> {
    positional: &'a [*mut ffi::PyObject],
    /// Null if there is none.
    context: *mut ffi::PyObject,
}

/// Reads arguments. `None` where something is unusual, for asyncio's own method to read.
///
/// # Safety
/// They are those of a `METH_FASTCALL | METH_KEYWORDS` function.
#[inline]
unsafe fn read_call<'a>(core: &Core, passed: Passed, least: usize) -> Option<Call<'a>> {
    let Passed { arguments, names, .. } = passed;
    let count = passed.count as usize;
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
        // The name that asyncio's tasks pass is not interned.
        let is_context = name == core.kinds().names.context.as_ptr()
            || ffi::PyUnicode_CompareWithASCIIString(name, c"context".as_ptr()) == 0;
        if ffi::Py_SIZE(names) != 1 || !is_context {
            return None;
        }
        let context = *arguments.add(count);
        let context = if context == ffi::Py_None() { std::ptr::null_mut() } else { context };
        Some(Call { positional, context })
    }
}

/// Calls a Python method of the loop with the same arguments.
///
/// # Safety
/// Attached; the arguments are CPython's.
unsafe fn forward(object: *mut ffi::PyObject, method: &Py<PyString>, passed: Passed) -> *mut ffi::PyObject {
    // SAFETY: by contract.
    unsafe {
        let bound = ffi::PyObject_GetAttr(object, method.as_ptr());
        if bound.is_null() {
            return bound;
        }
        let result = ffi::PyObject_Vectorcall(bound, passed.arguments, passed.count as usize, passed.names);
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
    kind: Kind,
    call: &Call<'_>,
    when: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: by contract.
    unsafe {
        let skipped = if kind == Kind::Timer { 1 } else { 0 };
        let arguments = tuple(&call.positional[skipped + 1..]);
        if arguments.is_null() {
            ffi::Py_XDECREF(when);
            return Err(PyErr::fetch(py));
        }
        let callback = Callback { function: call.positional[skipped], arguments, context: call.context };
        let made = handle::make(core.kinds(), kind, &core.free, object, &callback, when);
        if made.is_null() { Err(PyErr::fetch(py)) } else { Ok(made) }
    }
}

/// A call as soon as possible, whose handle `add` takes over; asyncio's way where something is unusual.
///
/// # Safety
/// Attached; `object` is an instance of the type, and the arguments are CPython's.
#[inline]
unsafe fn soon(
    object: *mut ffi::PyObject,
    passed: Passed,
    kind: impl FnOnce(&Kinds) -> Option<Kind>,
    unusual: impl FnOnce(&Names) -> &Py<PyString>,
    add: impl FnOnce(&Core, *mut ffi::PyObject),
) -> *mut ffi::PyObject {
    // SAFETY: by contract.
    caught(|py| unsafe {
        let core = core(object);
        let (Some(call), Some(kind)) = (read_call(core, passed, 1), kind(core.kinds())) else {
            return Ok(forward(object, unusual(&core.kinds().names), passed));
        };
        let handle = handle_for(py, object, core, kind, &call, std::ptr::null_mut())?;
        add(core, ffi::Py_NewRef(handle));
        Ok(handle)
    })
}

/// A call at a time, which `due` makes of the first argument; asyncio's way where something is unusual.
///
/// # Safety
/// Attached; `object` is an instance of the type, and the arguments are CPython's.
#[inline]
unsafe fn at_time(
    object: *mut ffi::PyObject,
    passed: Passed,
    unusual: impl FnOnce(&Names) -> &Py<PyString>,
    due: impl for<'py> FnOnce(&Core, Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: by contract.
    caught(|py| unsafe {
        let core = core(object);
        let call = read_call(core, passed, 2).filter(|call| call.positional[0] != ffi::Py_None());
        let Some(call) = call else {
            return Ok(forward(object, unusual(&core.kinds().names), passed));
        };
        let when = due(core, Bound::from_borrowed_ptr(py, call.positional[0]))?;
        let seconds = turn::seconds(&when)?;
        let timer = handle_for(py, object, core, Kind::Timer, &call, when.into_ptr())?;
        core.schedule(seconds, ffi::Py_NewRef(timer));
        Ok(timer)
    })
}

pub(super) unsafe extern "C" fn call_soon(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let passed = Passed { arguments, count, names };
    // SAFETY: CPython calls this attached, with an instance of the type.
    unsafe { soon(object, passed, |_| Some(Kind::Handle), |names| &names.slow_call_soon, Core::push) }
}

pub(super) unsafe extern "C" fn call_soon_threadsafe(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let passed = Passed { arguments, count, names };
    // SAFETY: as above.
    unsafe { soon(object, passed, |kinds| kinds.sent, |names| &names.slow_call_soon_threadsafe, Core::send) }
}

pub(super) unsafe extern "C" fn call_later(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let passed = Passed { arguments, count, names };
    // SAFETY: as above.
    unsafe {
        at_time(
            object,
            passed,
            |names| &names.slow_call_later,
            |core, delay| {
                let event_loop = Bound::from_borrowed_ptr(delay.py(), object);
                let now = event_loop.call_method0(&core.kinds().names.time)?;
                Bound::from_owned_ptr_or_err(delay.py(), ffi::PyNumber_Add(now.as_ptr(), delay.as_ptr()))
            },
        )
    }
}

pub(super) unsafe extern "C" fn call_at(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let passed = Passed { arguments, count, names };
    // SAFETY: as above.
    unsafe { at_time(object, passed, |names| &names.slow_call_at, |_, when| Ok(when)) }
}
