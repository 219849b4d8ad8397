//! Where asyncio's handles keep their state: the slots of `asyncio.Handle` and `asyncio.TimerHandle`.

use std::ffi::CStr;
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Offsets of the slots of `asyncio.Handle` and `asyncio.TimerHandle` in an instance, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) callback: usize,
    pub(super) arguments: usize,
    pub(super) cancelled: usize,
    pub(super) event_loop: usize,
    pub(super) source_traceback: usize,
    pub(super) repr: usize,
    pub(super) context: usize,
    /// Of timers only.
    pub(super) scheduled: usize,
    pub(super) when: usize,
    /// Of handles for other threads only, where asyncio has them.
    pub(super) lock: Option<usize>,
}

static LAYOUT: OnceLock<Layout> = OnceLock::new();

/// The layout, once there is a loop's type.
#[inline]
pub(super) fn layout() -> &'static Layout {
    LAYOUT.get().expect("handles are made by loops")
}

/// Finds the slots in the classes of this Python. They are the same in every interpreter of a process.
///
/// # Errors
/// There are others than those known.
pub(super) fn find(
    handle: &Bound<'_, PyAny>,
    timer: &Bound<'_, PyAny>,
    thread_safe: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let layout = Layout {
        callback: offset(handle, c"_callback")?,
        arguments: offset(handle, c"_args")?,
        cancelled: offset(handle, c"_cancelled")?,
        event_loop: offset(handle, c"_loop")?,
        source_traceback: offset(handle, c"_source_traceback")?,
        repr: offset(handle, c"_repr")?,
        context: offset(handle, c"_context")?,
        scheduled: offset(timer, c"_scheduled")?,
        when: offset(timer, c"_when")?,
        lock: thread_safe.map(|class| offset(class, c"_lock")).transpose()?,
    };
    let _ = LAYOUT.set(layout);
    Ok(())
}

/// Where an instance keeps the slot of this name.
///
/// # Errors
/// The class has no such slot.
pub(super) fn offset(class: &Bound<'_, PyAny>, name: &CStr) -> PyResult<usize> {
    /// As CPython declares it.
    #[repr(C)]
    struct MemberDescriptor {
        base: ffi::PyObject,
        kind: *mut ffi::PyTypeObject,
        name: *mut ffi::PyObject,
        qualified_name: *mut ffi::PyObject,
        member: *mut ffi::PyMemberDef,
    }
    let text = name.to_str().unwrap_or_default();
    let unknown = || {
        let class = class.getattr("__name__").map(|name| name.to_string()).unwrap_or_default();
        PyRuntimeError::new_err(format!(
            "asyncio.{class} of this Python has no slot {text}, which Pounce's loop uses"
        ))
    };
    let descriptor = class.getattr(text).map_err(|_| unknown())?;
    // SAFETY: attached; the type is checked before the object is read as one.
    unsafe {
        if ffi::Py_TYPE(descriptor.as_ptr()) != &raw mut ffi::PyMemberDescr_Type {
            return Err(unknown());
        }
        let member = (*descriptor.as_ptr().cast::<MemberDescriptor>()).member;
        if member.is_null() || (*member).type_code != ffi::Py_T_OBJECT_EX {
            return Err(unknown());
        }
        usize::try_from((*member).offset).map_err(|_| unknown())
    }
}

/// A slot of a handle.
///
/// # Safety
/// `handle` is an instance of asyncio's class that has the slot at this offset.
#[inline]
pub(super) unsafe fn field(handle: *mut ffi::PyObject, offset: usize) -> *mut *mut ffi::PyObject {
    // SAFETY: by contract.
    unsafe { handle.byte_add(offset).cast() }
}

/// Keeps other threads of a Python without a GIL from the slots of a handle meanwhile.
///
/// # Safety
/// Attached; `handle` is alive.
#[inline]
pub(super) unsafe fn locked<R>(handle: *mut ffi::PyObject, body: impl FnOnce() -> R) -> R {
    #[cfg(Py_GIL_DISABLED)]
    {
        // SAFETY: by contract. The section is on this stack frame until it ends.
        unsafe {
            let mut section: ffi::PyCriticalSection = std::mem::zeroed();
            ffi::PyCriticalSection_Begin(&raw mut section, handle);
            let result = body();
            ffi::PyCriticalSection_End(&raw mut section);
            result
        }
    }
    #[cfg(not(Py_GIL_DISABLED))]
    {
        let _ = handle;
        body()
    }
}

/// Whether a handle is cancelled.
///
/// # Safety
/// Attached; `handle` is an instance of `asyncio.Handle`.
#[inline]
pub(super) unsafe fn is_cancelled(handle: *mut ffi::PyObject) -> bool {
    // SAFETY: by contract.
    unsafe { *field(handle, layout().cancelled) == ffi::Py_True() }
}

/// Sets `_scheduled`.
///
/// # Safety
/// Attached; `timer` is an instance of `asyncio.TimerHandle`.
pub(super) unsafe fn set_scheduled(timer: *mut ffi::PyObject, scheduled: bool) {
    // SAFETY: by contract. Booleans have no destructor.
    unsafe {
        let value = if scheduled { ffi::Py_True() } else { ffi::Py_False() };
        replace(field(timer, layout().scheduled), ffi::Py_NewRef(value));
    }
}

/// Puts an owned reference into a slot.
///
/// # Safety
/// Attached; the slot is one of a live handle.
pub(super) unsafe fn replace(slot: *mut *mut ffi::PyObject, value: *mut ffi::PyObject) {
    // SAFETY: the slot owns its value, which is dropped once the slot has the new one.
    unsafe {
        let before = slot.replace(value);
        ffi::Py_XDECREF(before);
    }
}
