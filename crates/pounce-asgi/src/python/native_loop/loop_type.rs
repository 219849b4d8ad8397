//! The Python type that the loop's class inherits from: its methods and the attributes that asyncio's code sets.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pyo3::ffi;
use pyo3::prelude::*;

use super::attributes::ATTRIBUTES;
use super::calls::{call_at, call_later, call_soon, call_soon_threadsafe};
use super::core::{Alarm, Core};
use super::descriptors::{unwatch, watch, watch_signals, watched, watched_descriptors};
use super::errors;
use super::handle_type;
use super::instance::{
    LoopObject, boolean, caught, check_handle, clear, core, dealloc, none, release_handles, traverse,
};
use super::kinds::Kinds;
use super::layout;
use super::poller::Poller;
use super::turn::{self, Events};
use crate::python::slots::{Methods, method_noargs, method_o, slot};

/// Makes the type in the current interpreter.
pub(super) fn make(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let kinds = handle_type::kinds(py)?;
    let mut slots = vec![
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        METHODS.slot(),
        ATTRIBUTES.slot(),
        slot(0, std::ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_BASETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"pounce._LoopCore".as_ptr(),
        basicsize: size_of::<LoopObject>() as c_int,
        itemsize: 0,
        flags: flags as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; CPython copies what it keeps of the spec.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
    // SAFETY: attached. The kinds live as long as the interpreter, as does the type, which is in a module.
    unsafe {
        let capsule = ffi::PyCapsule_New(Box::into_raw(kinds).cast(), KINDS.as_ptr(), None);
        let capsule = Bound::from_owned_ptr_or_err(py, capsule)?;
        made.setattr("_kinds", capsule)?;
    }
    Ok(made)
}

const KINDS: &CStr = c"pounce._LoopCore._kinds";

unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    caught(|py| {
        // SAFETY: CPython passes the class to make an instance of.
        unsafe {
            let class = Bound::from_borrowed_ptr(py, kind.cast::<ffi::PyObject>());
            let capsule = class.getattr("_kinds")?;
            let kinds = ffi::PyCapsule_GetPointer(capsule.as_ptr(), KINDS.as_ptr()).cast::<Kinds>();
            if kinds.is_null() {
                return Err(PyErr::fetch(py));
            }
            let core = Poller::new().and_then(|poller| Core::new(kinds, poller));
            let core = Box::new(core.map_err(|error| errors::os(py, &error))?);
            let object = ffi::PyType_GenericAlloc(kind, 0);
            if !object.is_null() {
                (*object.cast::<LoopObject>()).core = Box::into_raw(core);
            }
            Ok(object)
        }
    })
}

type FastCall = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// A method that gets its arguments as they are on the stack.
const fn method_fast(name: &'static CStr, function: FastCall) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: std::ptr::null::<c_char>(),
    }
}

static METHODS: Methods<21> = Methods([
    method_fast(c"call_soon", call_soon),
    method_fast(c"call_soon_threadsafe", call_soon_threadsafe),
    method_fast(c"call_later", call_later),
    method_fast(c"call_at", call_at),
    method_noargs(c"time", time),
    method_noargs(c"_write_to_self", write_to_self),
    method_noargs(c"_run_once", run_once),
    method_o(c"_add_callback", add_callback),
    method_o(c"_send_callback", send_callback),
    method_o(c"_schedule", schedule),
    method_o(c"_timer_handle_cancelled", timer_handle_cancelled),
    method_fast(c"_watch", watch),
    method_fast(c"_unwatch", unwatch),
    method_o(c"_watched", watched),
    method_o(c"_watch_signals", watch_signals),
    method_noargs(c"_watched_descriptors", watched_descriptors),
    method_noargs(c"_check_closed", check_closed),
    method_noargs(c"is_running", is_running),
    method_noargs(c"get_debug", get_debug),
    method_noargs(c"_close_core", close_core),
    ffi::PyMethodDef::zeroed(),
]);

unsafe extern "C" fn time(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    caught(|py| {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| errors::os(py, &error.into()))?;
        Ok(Duration::from(now).as_secs_f64().into_pyobject(py)?.into_any().into_ptr())
    })
}

unsafe extern "C" fn write_to_self(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type.
    caught(|py| unsafe {
        core(object).wake();
        none(py)
    })
}

/// Takes turns until the loop is stopped.
unsafe extern "C" fn run_once(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        loop {
            turn::turn(py, object, core, Events::Wait)?;
            if core.is_stopping() {
                return none(py);
            }
        }
    })
}

unsafe extern "C" fn add_callback(
    object: *mut ffi::PyObject,
    handle: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        check_handle(py, core.kinds().asyncio_handle, handle)?;
        if !layout::is_cancelled(handle) {
            core.push(ffi::Py_NewRef(handle));
        }
        none(py)
    })
}

unsafe extern "C" fn send_callback(
    object: *mut ffi::PyObject,
    handle: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        check_handle(py, core.kinds().asyncio_handle, handle)?;
        core.send(ffi::Py_NewRef(handle));
        none(py)
    })
}

unsafe extern "C" fn schedule(object: *mut ffi::PyObject, timer: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        check_handle(py, core.kinds().asyncio_timer, timer)?;
        let when = turn::seconds(&Bound::from_borrowed_ptr(py, timer).getattr("_when")?)?;
        core.schedule(when, ffi::Py_NewRef(timer));
        none(py)
    })
}

unsafe extern "C" fn timer_handle_cancelled(
    object: *mut ffi::PyObject,
    timer: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        check_handle(py, core.kinds().asyncio_timer, timer)?;
        core.note_cancelled_timer(timer);
        none(py)
    })
}

unsafe extern "C" fn check_closed(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe { if core(object).is_closed() { Err(errors::closed(py)) } else { none(py) } })
}

unsafe extern "C" fn is_running(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { boolean(!core(object).thread.get().is_null()) }
}

unsafe extern "C" fn get_debug(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { boolean(core(object).is_debug()) }
}

/// Drops what is ready, scheduled and watched, and closes the descriptors.
unsafe extern "C" fn close_core(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    caught(|py| unsafe {
        let core = core(object);
        release_handles(core);
        core.set_alarm(Alarm::Off);
        let poller = core.poller.borrow_mut().take();
        drop(poller);
        none(py)
    })
}
