//! The types of handles: subclasses of asyncio's with the same state and other functions.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::core::thread_number;
use super::instance::core_of;
use super::kinds::{Kind, Kinds, Names};
use super::layout::{self, field, is_cancelled, layout, locked, replace};
use crate::python::slots::{Methods, method_noargs, slot};

/// The kinds of the current interpreter.
///
/// # Errors
/// asyncio's handles have other slots than those known.
pub(super) fn kinds(py: Python<'_>) -> PyResult<Box<Kinds>> {
    let asyncio = py.import("asyncio.events")?;
    let (base, timer_base) = (asyncio.getattr("Handle")?, asyncio.getattr("TimerHandle")?);
    let thread_safe_base = asyncio.getattr_opt("_ThreadSafeHandle")?;
    layout::find(&base, &timer_base, thread_safe_base.as_ref())?;
    let name = |name| PyString::intern(py, name).unbind();
    let mut kinds = Box::new(Kinds {
        handle: std::ptr::null_mut(),
        thread_safe: std::ptr::null_mut(),
        sent: match &thread_safe_base {
            None => Some(Kind::Handle),
            // Without a GIL the callback could begin while another thread looks.
            Some(_) if cfg!(Py_GIL_DISABLED) => None,
            Some(_) => Some(Kind::ThreadSafe),
        },
        timer: std::ptr::null_mut(),
        asyncio_handle: base.as_ptr().cast(),
        asyncio_timer: timer_base.as_ptr().cast(),
        names: Names {
            time: name("time"),
            context: name("context"),
            run: name("_run"),
            slow_call_soon: name("_slow_call_soon"),
            slow_call_soon_threadsafe: name("_slow_call_soon_threadsafe"),
            slow_call_at: name("_slow_call_at"),
            slow_call_later: name("_slow_call_later"),
            report: name("_report"),
            data_received: name("data_received"),
            get_buffer: name("get_buffer"),
            buffer_updated: name("buffer_updated"),
            run_debug: name("_run_debug"),
        },
    });
    kinds.handle = subclass(py, c"pounce.Handle", &base, slots(Kind::Handle))?;
    if let Some(base) = &thread_safe_base {
        kinds.thread_safe = subclass(py, c"pounce.ThreadSafeHandle", base, slots(Kind::ThreadSafe))?;
    }
    kinds.timer = subclass(py, c"pounce.TimerHandle", &timer_base, slots(Kind::Timer))?;
    // Types are never freed before their interpreter, and asyncio's module is not either.
    std::mem::forget((base, timer_base, thread_safe_base));
    Ok(kinds)
}

/// A subclass with the same instances and other functions.
fn subclass(
    py: Python<'_>,
    name: &'static CStr,
    base: &Bound<'_, PyAny>,
    mut slots: Vec<ffi::PyType_Slot>,
) -> PyResult<*mut ffi::PyTypeObject> {
    slots.push(slot(0, std::ptr::null_mut()));
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC;
    // SAFETY: `base` is a type.
    let basicsize = unsafe { (*base.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize };
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: basicsize as c_int,
        itemsize: 0,
        flags: flags as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; CPython copies what it keeps of the spec.
    let made =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpecWithBases(&mut spec, base.as_ptr()))? };
    Ok(made.into_ptr().cast())
}

static METHODS: Methods<3> = Methods([
    method_noargs(c"cancel", cancel),
    method_noargs(c"cancelled", cancelled),
    ffi::PyMethodDef::zeroed(),
]);

static THREAD_SAFE_METHODS: Methods<3> = Methods([
    method_noargs(c"cancel", cancel_at_rest),
    method_noargs(c"cancelled", cancelled_at_rest),
    ffi::PyMethodDef::zeroed(),
]);

static TIMER_METHODS: Methods<3> = Methods([
    method_noargs(c"cancel", cancel_timer),
    method_noargs(c"cancelled", cancelled),
    ffi::PyMethodDef::zeroed(),
]);

/// The slots of the type.
fn slots(kind: Kind) -> Vec<ffi::PyType_Slot> {
    let (methods, dealloc) = match kind {
        Kind::Handle => (METHODS.slot(), dealloc_handle as *mut c_void),
        Kind::ThreadSafe => (THREAD_SAFE_METHODS.slot(), dealloc_thread_safe as *mut c_void),
        Kind::Timer => (TIMER_METHODS.slot(), dealloc_timer as *mut c_void),
    };
    vec![
        methods,
        slot(ffi::Py_tp_dealloc, dealloc),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        // Only loops make them.
        slot(ffi::Py_tp_new, refuse as *mut c_void),
    ]
}

unsafe extern "C" fn refuse(
    _: *mut ffi::PyTypeObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached.
    unsafe {
        ffi::PyErr_SetString(
            ffi::PyExc_TypeError,
            c"handles are made by the methods of an event loop".as_ptr(),
        );
    }
    std::ptr::null_mut()
}

/// The slots that a handle of ours owns, the loop last.
#[inline]
fn owned(kind: Kind) -> impl Iterator<Item = usize> {
    let at = layout();
    let all = [
        at.scheduled,
        at.when,
        at.callback,
        at.arguments,
        at.cancelled,
        at.source_traceback,
        at.repr,
        at.context,
        at.event_loop,
    ];
    let lock = at.lock.filter(|_| kind == Kind::ThreadSafe);
    lock.into_iter().chain(all.into_iter().skip(if kind == Kind::Timer { 0 } else { 2 }))
}

unsafe extern "C" fn dealloc_handle(handle: *mut ffi::PyObject) {
    // SAFETY: CPython calls this attached, once, with an instance of the type.
    unsafe { dealloc(handle, Kind::Handle) }
}

unsafe extern "C" fn dealloc_thread_safe(handle: *mut ffi::PyObject) {
    // SAFETY: as above.
    unsafe { dealloc(handle, Kind::ThreadSafe) }
}

unsafe extern "C" fn dealloc_timer(handle: *mut ffi::PyObject) {
    // SAFETY: as above.
    unsafe { dealloc(handle, Kind::Timer) }
}

/// # Safety
/// As for `tp_dealloc`.
unsafe fn dealloc(handle: *mut ffi::PyObject, kind: Kind) {
    // SAFETY: by contract; nothing refers to the object any more but its weak references.
    unsafe {
        ffi::PyObject_GC_UnTrack(handle.cast());
        let type_object = ffi::Py_TYPE(handle);
        let weak = field(handle, (*type_object).tp_weaklistoffset as usize);
        if !(*weak).is_null() {
            ffi::PyObject_ClearWeakRefs(handle);
        }
        let event_loop = field(handle, layout().event_loop).replace(std::ptr::null_mut());
        for offset in owned(kind) {
            ffi::Py_XDECREF(field(handle, offset).replace(std::ptr::null_mut()));
        }
        let is_kept = match core_of(event_loop) {
            // Free-threaded Python's collector finds objects by walking the heap, and other threads may be here.
            Some(core) if cfg!(not(Py_GIL_DISABLED)) && !core.is_closed() => {
                (*core.free.get()).keep(kind, handle)
            }
            _ => false,
        };
        if !is_kept {
            ffi::PyObject_GC_Del(handle.cast());
            ffi::Py_DECREF(type_object.cast());
        }
        ffi::Py_XDECREF(event_loop);
    }
}

unsafe extern "C" fn traverse(
    handle: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls this with a live instance.
    unsafe {
        let type_object = ffi::Py_TYPE(handle);
        let stop = visit(type_object.cast(), argument);
        if stop != 0 {
            return stop;
        }
        for offset in owned(kind_of(type_object)) {
            let value = *field(handle, offset);
            if !value.is_null() {
                let stop = visit(value, argument);
                if stop != 0 {
                    return stop;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(handle: *mut ffi::PyObject) -> c_int {
    let at = layout();
    // SAFETY: the collector calls this attached, with a live instance. Nothing but it reaches the handle; what asyncio's methods
    // expect to be there stays there.
    unsafe {
        for offset in [at.callback, at.arguments, at.context] {
            replace(field(handle, offset), ffi::Py_NewRef(ffi::Py_None()));
        }
    }
    0
}

/// Which kind of handle a type of ours is of.
unsafe fn kind_of(type_object: *mut ffi::PyTypeObject) -> Kind {
    // SAFETY: the type is alive.
    match unsafe { (*type_object).tp_dealloc } {
        Some(function) if function as usize == dealloc_timer as *const () as usize => Kind::Timer,
        Some(function) if function as usize == dealloc_thread_safe as *const () as usize => Kind::ThreadSafe,
        _ => Kind::Handle,
    }
}

unsafe extern "C" fn cancelled(handle: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an instance of the type.
    unsafe { ffi::Py_NewRef(*field(handle, layout().cancelled)) }
}

unsafe extern "C" fn cancel(handle: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { set_cancelled(handle, Kind::Handle) }
}

unsafe extern "C" fn cancel_at_rest(
    handle: *mut ffi::PyObject,
    unused: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        wait_until_at_rest(handle);
        cancel(handle, unused)
    }
}

unsafe extern "C" fn cancelled_at_rest(
    handle: *mut ffi::PyObject,
    unused: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        wait_until_at_rest(handle);
        cancelled(handle, unused)
    }
}

/// Waits for the end of the callback, unless this is the thread that calls it.
///
/// # Safety
/// Attached; `handle` is an instance of our type.
unsafe fn wait_until_at_rest(handle: *mut ffi::PyObject) {
    // SAFETY: by contract. The loop must outlast the wait.
    unsafe {
        let event_loop = *field(handle, layout().event_loop);
        let Some(core) = core_of(event_loop) else { return };
        ffi::Py_INCREF(event_loop);
        if core.running_on.load(Ordering::Relaxed) != thread_number() {
            core.running.wait_for(handle);
        }
        ffi::Py_DECREF(event_loop);
    }
}

unsafe extern "C" fn cancel_timer(handle: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { set_cancelled(handle, Kind::Timer) }
}

/// # Safety
/// Attached; `handle` is an instance of our type of that kind.
unsafe fn set_cancelled(handle: *mut ffi::PyObject, kind: Kind) -> *mut ffi::PyObject {
    // SAFETY: by contract. Values are dropped once the slots have others.
    unsafe {
        let at = layout();
        if is_cancelled(handle) {
            return ffi::Py_NewRef(ffi::Py_None());
        }
        let core = core_of(*field(handle, at.event_loop));
        if let (Some(core), Kind::Timer) = (core, kind) {
            core.note_cancelled_timer(handle);
        }
        replace(field(handle, at.cancelled), ffi::Py_NewRef(ffi::Py_True()));
        if core.is_some_and(|core| core.is_debug()) {
            // Its callback is still shown, in the lines about slow callbacks.
            let text = ffi::PyObject_Repr(handle);
            if text.is_null() {
                return text;
            }
            replace(field(handle, at.repr), text);
        }
        let (callback, arguments) = locked(handle, || {
            let cleared = |offset| field(handle, offset).replace(ffi::Py_NewRef(ffi::Py_None()));
            (cleared(at.callback), cleared(at.arguments))
        });
        ffi::Py_XDECREF(callback);
        ffi::Py_XDECREF(arguments);
        ffi::Py_NewRef(ffi::Py_None())
    }
}
