//! Handles: what `call_soon()` and the other methods return. How they are made, and how their callbacks are called.

use std::cell::UnsafeCell;

use pyo3::ffi;

use super::kinds::{Kind, Kinds};
use super::layout::{field, layout, locked};

/// The memory of dead handles that a loop keeps for new ones, of each kind.
const MOST_FREE: usize = 256;

/// Memory of handles, without their state.
#[derive(Default)]
pub(super) struct Free {
    handles: Vec<*mut ffi::PyObject>,
    thread_safe: Vec<*mut ffi::PyObject>,
    timers: Vec<*mut ffi::PyObject>,
}

impl Free {
    fn list(&mut self, kind: Kind) -> &mut Vec<*mut ffi::PyObject> {
        match kind {
            Kind::Handle => &mut self.handles,
            Kind::ThreadSafe => &mut self.thread_safe,
            Kind::Timer => &mut self.timers,
        }
    }

    /// Keeps the memory of a handle. False if there is enough.
    pub(super) fn keep(&mut self, kind: Kind, memory: *mut ffi::PyObject) -> bool {
        let list = self.list(kind);
        let has_room = list.len() < MOST_FREE;
        if has_room {
            list.push(memory);
        }
        has_room
    }

    /// # Safety
    /// Attached.
    pub(super) unsafe fn give_back(&mut self) {
        for memory in
            [&mut self.handles, &mut self.thread_safe, &mut self.timers].into_iter().flat_map(std::mem::take)
        {
            // SAFETY: the memory is that of an object of a collected heap type, which it still refers to.
            unsafe {
                let kind = ffi::Py_TYPE(memory);
                ffi::PyObject_GC_Del(memory.cast());
                ffi::Py_DECREF(kind.cast());
            }
        }
    }
}

/// A callback as a handle keeps it.
pub(super) struct Callback {
    pub(super) function: *mut ffi::PyObject,
    /// An owned tuple.
    pub(super) arguments: *mut ffi::PyObject,
    /// Null for a copy of the current one.
    pub(super) context: *mut ffi::PyObject,
}

/// A new handle of the loop, without debug information. Null with an exception set if memory is exhausted.
///
/// # Safety
/// Attached. `event_loop` and the objects of the callback are alive; `when` is an owned number for a timer, else null. What is owned
/// is taken over in every case.
pub(super) unsafe fn make(
    kinds: &Kinds,
    kind: Kind,
    free: &UnsafeCell<Free>,
    event_loop: *mut ffi::PyObject,
    callback: &Callback,
    when: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let &Callback { function, arguments, context } = callback;
    // SAFETY: by contract. All slots are written before the collector can see the object.
    unsafe {
        let type_object = kinds.type_of(kind);
        let context = if context.is_null() { ffi::PyContext_CopyCurrent() } else { ffi::Py_NewRef(context) };
        // Borrowed for as long as this takes: an allocation may collect garbage, and dead handles go to the pool.
        let pooled = if context.is_null() { None } else { (*free.get()).list(kind).pop() };
        let handle = match pooled {
            Some(memory) => {
                // The memory has kept its reference to its type.
                ffi::PyObject_Init(memory, type_object);
                ffi::Py_DECREF(type_object.cast());
                memory
            }
            None if context.is_null() => std::ptr::null_mut(),
            None => {
                let object = ffi::PyType_GenericAlloc(type_object, 0);
                if !object.is_null() {
                    // It is tracked once it is complete.
                    ffi::PyObject_GC_UnTrack(object.cast());
                }
                object
            }
        };
        if handle.is_null() {
            ffi::Py_DECREF(arguments);
            ffi::Py_XDECREF(when);
            ffi::Py_XDECREF(context);
            return handle;
        }
        let at = layout();
        field(handle, at.callback).write(ffi::Py_NewRef(function));
        field(handle, at.arguments).write(arguments);
        field(handle, at.cancelled).write(ffi::Py_NewRef(ffi::Py_False()));
        field(handle, at.event_loop).write(ffi::Py_NewRef(event_loop));
        field(handle, at.source_traceback).write(ffi::Py_NewRef(ffi::Py_None()));
        field(handle, at.repr).write(ffi::Py_NewRef(ffi::Py_None()));
        field(handle, at.context).write(context);
        if kind == Kind::Timer {
            field(handle, at.scheduled).write(ffi::Py_NewRef(ffi::Py_False()));
            field(handle, at.when).write(when);
        }
        ffi::PyObject_GC_Track(handle.cast());
        handle
    }
}

/// Whether asyncio's `_run` of this handle is what [`call`] does.
///
/// # Safety
/// `handle` is alive.
#[inline]
pub(super) unsafe fn is_plain(kinds: &Kinds, handle: *mut ffi::PyObject) -> bool {
    // SAFETY: by contract.
    let kind = unsafe { ffi::Py_TYPE(handle) };
    kind == kinds.handle
        || kind == kinds.timer
        || kind == kinds.thread_safe
        || kind == kinds.asyncio_handle
        || kind == kinds.asyncio_timer
}

/// Calls the callback of a handle in its context. Null with an exception set if it raised.
///
/// # Safety
/// Attached; `handle` is an instance of `asyncio.Handle`, is alive meanwhile, and is not cancelled.
#[inline]
pub(super) unsafe fn call(handle: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: by contract. The callback may cancel its handle, so the call owns what it uses.
    unsafe {
        let at = layout();
        let (context, callback, arguments) = locked(handle, || {
            let slot = |offset| ffi::Py_NewRef(*field(handle, offset));
            (slot(at.context), slot(at.callback), slot(at.arguments))
        });
        if callback == ffi::Py_None() {
            // Another thread has cancelled it a moment ago.
            ffi::Py_DECREF(arguments);
            ffi::Py_DECREF(context);
            return callback;
        }
        if ffi::PyContext_Enter(context) != 0 {
            ffi::Py_DECREF(arguments);
            ffi::Py_DECREF(callback);
            ffi::Py_DECREF(context);
            return std::ptr::null_mut();
        }
        let result = if ffi::PyTuple_CheckExact(arguments) != 0 {
            let tuple = arguments.cast::<ffi::PyTupleObject>();
            let count = ffi::Py_SIZE(arguments) as usize;
            ffi::PyObject_Vectorcall(
                callback,
                (&raw const (*tuple).ob_item).cast(),
                count,
                std::ptr::null_mut(),
            )
        } else {
            let tuple = ffi::PySequence_Tuple(arguments);
            let result = if tuple.is_null() {
                tuple
            } else {
                ffi::PyObject_Call(callback, tuple, std::ptr::null_mut())
            };
            ffi::Py_XDECREF(tuple);
            result
        };
        ffi::PyContext_Exit(context);
        ffi::Py_DECREF(arguments);
        ffi::Py_DECREF(callback);
        ffi::Py_DECREF(context);
        result
    }
}
