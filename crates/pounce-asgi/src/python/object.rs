//! The Python types of the bridge: heap types, made anew in each interpreter, with a Rust value inside.
//!
//! They are not `#[pyclass]` types: those are process-wide, and interpreters with their own GIL must not share them.
//! Most values belong to their worker's thread. Python may drop the last reference on another thread (a pool
//! thread that held a request, say); the value then goes back to its [`Owner`] to be dropped there. No PyO3 code may
//! run on such a thread: PyO3 counts which threads it has attached, and if it drops a reference on a thread that Python
//! attached, the process aborts.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;

use super::owner::{Owner, Pool};
use super::slots::slot;

/// An object of such a type in memory.
#[repr(C)]
pub(super) struct Object<T> {
    base: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    /// A reference to the thread that owns `value`, unless the type is for any thread. Memory in a pool keeps it, and its
    /// reference to the type, which says how the memory is freed.
    owner: *const Owner,
    value: ManuallyDrop<T>,
}

/// A Rust value that Python objects can carry.
pub(super) trait ObjectValue: Sized + 'static {
    /// The type's name with a module: `pounce.Receive`.
    const NAME: &'static CStr;
    /// The call of the object, if it can be called.
    const VECTORCALL: Option<ffi::vectorcallfunc> = None;
    /// Whether any attached thread may read and drop the value: true only for values whose Python objects are all in
    /// [`Ref`]s, and that hold nothing bound to a thread.
    const ANY_THREAD: bool = false;
    /// Whether the garbage collector traverses the objects: true for all that can be part of a cycle.
    const COLLECTED: bool = false;
    /// The owner's pool for the memory of dead objects, for types whose objects each request makes.
    const POOL: Option<Pool> = None;

    /// Slots other than those for destruction, collection and calls.
    fn slots() -> Vec<ffi::PyType_Slot> {
        Vec::new()
    }

    /// Shows the collector each reference that the value owns. Called on any thread, while no other runs Python.
    fn traverse(&self, _visit: &Visit) -> Visited {
        Ok(())
    }

    /// Gives up references that can be part of a cycle; nothing can reach the object any more. On any thread.
    fn clear(&self) {}

    /// Last words before the value is dropped. On any thread.
    fn finalize(&self) {}
}

/// The visitor for [`ObjectValue::traverse`].
pub(super) struct Visit {
    visit: ffi::visitproc,
    argument: *mut c_void,
}

/// An error is the code with which the collector wants to stop.
pub(super) type Visited = Result<(), c_int>;

impl Visit {
    pub(super) fn show(&self, object: *mut ffi::PyObject) -> Visited {
        if object.is_null() {
            return Ok(());
        }
        // SAFETY: the collector's own function and argument, with an object that is alive.
        match unsafe { (self.visit)(object, self.argument) } {
            0 => Ok(()),
            stop => Err(stop),
        }
    }
}

/// An owned reference that any attached thread may drop. PyO3's `Py` would abort on a thread that PyO3 did not attach,
/// such as one that Python started.
pub(super) struct Ref(*mut ffi::PyObject);

impl Ref {
    /// Takes another reference to `object`.
    ///
    /// # Safety
    /// Attached; `object` is alive.
    pub(super) unsafe fn new(object: *mut ffi::PyObject) -> Self {
        // SAFETY: by contract.
        Self(unsafe { ffi::Py_NewRef(object) })
    }

    /// Takes over a reference to `object`.
    ///
    /// # Safety
    /// Attached; the caller owns the reference.
    pub(super) unsafe fn from_owned(object: *mut ffi::PyObject) -> Self {
        Self(object)
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0
    }

    /// Gives the reference up.
    pub(super) fn into_ptr(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).0
    }
}

impl<T> From<Py<T>> for Ref {
    fn from(object: Py<T>) -> Self {
        Self(object.into_ptr())
    }
}

impl Drop for Ref {
    fn drop(&mut self) {
        // SAFETY: the reference is owned; these objects die attached, on any thread.
        unsafe { ffi::Py_DECREF(self.0) };
    }
}

/// A Python type whose objects carry a `T`.
pub(super) struct Type<T> {
    object: Py<PyAny>,
    owner: Arc<Owner>,
    marker: PhantomData<fn() -> T>,
}

impl<T: ObjectValue> Type<T> {
    /// Makes the type in the current interpreter.
    pub(super) fn new(py: Python<'_>, owner: &Arc<Owner>) -> PyResult<Self> {
        let mut slots = T::slots();
        let mut members = Vec::new();
        slots.push(slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void));
        let mut flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
        if T::COLLECTED {
            flags |= ffi::Py_TPFLAGS_HAVE_GC;
            slots.push(slot(ffi::Py_tp_traverse, traverse::<T> as *mut c_void));
            slots.push(slot(ffi::Py_tp_clear, clear::<T> as *mut c_void));
        }
        if T::VECTORCALL.is_some() {
            flags |= ffi::Py_TPFLAGS_HAVE_VECTORCALL;
            slots.push(slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void));
            members.push(ffi::PyMemberDef {
                name: c"__vectorcalloffset__".as_ptr(),
                type_code: ffi::Py_T_PYSSIZET,
                offset: std::mem::offset_of!(Object<T>, vectorcall) as ffi::Py_ssize_t,
                flags: ffi::Py_READONLY,
                doc: std::ptr::null(),
            });
        }
        // SAFETY: an all-zero member is the list's end.
        members.push(unsafe { std::mem::zeroed() });
        slots.push(slot(ffi::Py_tp_members, members.as_mut_ptr().cast()));
        slots.push(slot(0, std::ptr::null_mut()));
        let mut spec = ffi::PyType_Spec {
            name: T::NAME.as_ptr(),
            basicsize: size_of::<Object<T>>() as c_int,
            itemsize: 0,
            flags: flags as c_uint,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: attached; name and slots are valid, and CPython copies the parts of spec and members that it keeps.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
        Ok(Self { object: object.unbind(), owner: Arc::clone(owner), marker: PhantomData })
    }

    /// The type itself.
    pub(super) fn as_object(&self) -> &Py<PyAny> {
        &self.object
    }

    /// A new object of the type. On the owner's thread.
    pub(super) fn make<'py>(&self, py: Python<'py>, value: T) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: attached, and the type is one of `T`.
        unsafe {
            let object = allocate(self.object.as_ptr().cast(), value, Arc::as_ptr(&self.owner));
            Bound::from_owned_ptr_or_err(py, object)
        }
    }
}

/// A new object of a type for any thread, made by `maker` on any thread; null with an exception set if memory is
/// exhausted.
///
/// # Safety
/// Attached; `kind` is a [`Type<T>`]'s, and `maker` an object of one with the same owner.
pub(super) unsafe fn make_shared<T: ObjectValue, M: ObjectValue>(
    kind: *mut ffi::PyTypeObject,
    value: T,
    maker: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    const { assert!(T::ANY_THREAD) };
    // SAFETY: by contract.
    unsafe { allocate(kind, value, (*maker.cast::<Object<M>>()).owner) }
}

/// # Safety
/// Attached; `kind` is a [`Type<T>`]'s, and `owner` its owner, which is in an [`Arc`].
unsafe fn allocate<T: ObjectValue>(
    kind: *mut ffi::PyTypeObject,
    value: T,
    owner: *const Owner,
) -> *mut ffi::PyObject {
    // SAFETY: the memory has the size of `Object<T>`, whose fields after the base are written before anything can see
    // the object: the collector runs at allocations, and none happens in between.
    unsafe {
        if let Some(memory) = T::POOL.and_then(|pool| (*owner).take_memory(pool)) {
            let object = memory.cast::<Object<T>>();
            let before = ffi::Py_TYPE(memory);
            ffi::PyObject_Init(memory, kind);
            ffi::Py_DECREF(before.cast());
            (&raw mut (*object).value).write(ManuallyDrop::new(value));
            if T::COLLECTED {
                ffi::PyObject_GC_Track(object.cast());
            }
            return memory;
        }
        let object = ffi::PyType_GenericAlloc(kind, 0).cast::<Object<T>>();
        if !object.is_null() {
            Arc::increment_strong_count(owner);
            (&raw mut (*object).value).write(ManuallyDrop::new(value));
            (&raw mut (*object).vectorcall).write(T::VECTORCALL);
            (&raw mut (*object).owner).write(owner);
        }
        object.cast()
    }
}

/// Gives back the memory in the pools.
///
/// # Safety
/// Attached, on the owner's thread.
pub(super) unsafe fn free_memory(owner: &Owner) {
    for memory in owner.take_all_memory() {
        // SAFETY: only memory of collected types is pooled. All objects have the same layout up to the value.
        unsafe {
            drop(Arc::from_raw((*memory.cast::<Object<()>>()).owner));
            let kind = ffi::Py_TYPE(memory);
            // The type says what is in front of the object.
            ffi::PyObject_GC_Del(memory.cast());
            ffi::Py_DECREF(kind.cast());
        }
    }
}

/// The value inside an object, for the thread that owns it and as long as its loop exists. None, with a Python
/// exception set, for any other thread: PyO3 must not be used there.
///
/// # Safety
/// Attached; `object` is an object of a [`Type<T>`], alive for as long as the result is used.
pub(super) unsafe fn owned<'a, T: ObjectValue>(object: *mut ffi::PyObject) -> Option<&'a T> {
    // SAFETY: by contract; the owner is kept alive by the object.
    unsafe {
        let object = &*object.cast::<Object<T>>();
        if (*object.owner).is_here() {
            return Some(&object.value);
        }
        raise_foreign();
        None
    }
}

/// Sets the exception for a thread other than the event loop's.
///
/// # Safety
/// Attached.
#[cold]
pub(super) unsafe fn raise_foreign() {
    let text = c"receive and send belong to the event loop of their request, and this is another thread (or the loop has \
        ended): have the loop await them, with asyncio.run_coroutine_threadsafe() or anyio.from_thread.run()";
    // SAFETY: by contract.
    unsafe { ffi::PyErr_SetString(ffi::PyExc_RuntimeError, text.as_ptr()) };
}

/// The value inside an object of a type for any thread.
///
/// # Safety
/// `object` is an object of a [`Type<T>`], alive for as long as the result is used.
pub(super) unsafe fn shared<'a, T: ObjectValue>(object: *mut ffi::PyObject) -> &'a T {
    const { assert!(T::ANY_THREAD) };
    // SAFETY: by contract.
    unsafe { &(*object.cast::<Object<T>>()).value }
}

/// The value inside an object, for reading its constant parts.
///
/// # Safety
/// As for [`shared`]; the parts read are written once, before another thread can have the object.
pub(super) unsafe fn peek<'a, T: ObjectValue>(object: *mut ffi::PyObject) -> &'a T {
    // SAFETY: by contract.
    unsafe { &(*object.cast::<Object<T>>()).value }
}

unsafe extern "C" fn dealloc<T: ObjectValue>(object: *mut ffi::PyObject) {
    // SAFETY: CPython calls this once, attached, with an object of `Type<T>` that nothing refers to. Objects
    // of heap types own a reference to their type.
    unsafe {
        if T::COLLECTED {
            ffi::PyObject_GC_UnTrack(object.cast());
        }
        let kind = ffi::Py_TYPE(object);
        let ours = object.cast::<Object<T>>();
        let value = ManuallyDrop::take(&mut (*ours).value);
        let owner = (*ours).owner;
        if T::ANY_THREAD {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                value.finalize();
                drop(value);
            }));
        } else if (*owner).is_here() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        } else {
            (*owner).defer_drop(value);
        }
        if T::POOL.is_some_and(|pool| (*owner).keep_memory(pool, object)) {
            return;
        }
        drop(Arc::from_raw(owner));
        if T::COLLECTED {
            ffi::PyObject_GC_Del(object.cast());
        } else {
            ffi::PyObject_Free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn traverse<T: ObjectValue>(
    object: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    let visit = Visit { visit, argument };
    // SAFETY: the collector calls this with a live object of `Type<T>`. Objects of heap types show their type too.
    let visited = unsafe {
        visit
            .show(ffi::Py_TYPE(object).cast())
            .and_then(|()| (*object.cast::<Object<T>>()).value.traverse(&visit))
    };
    visited.err().unwrap_or(0)
}

unsafe extern "C" fn clear<T: ObjectValue>(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector calls this attached, with a live object of `Type<T>`.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { (*object.cast::<Object<T>>()).value.clear() }));
    0
}

/// Runs the body of a slot on the thread that owns `object`. A panic becomes an exception, because unwinding through C
/// would abort. Any other thread only gets an exception.
///
/// # Safety
/// Attached; `object` is a live object of a [`Type<T>`].
pub(super) unsafe fn guard<T: ObjectValue, R>(
    object: *mut ffi::PyObject,
    failed: R,
    body: impl FnOnce(Python<'_>, &T) -> PyResult<R>,
) -> R {
    // SAFETY: by contract; PyO3 has attached the owner's thread for as long as its loop exists.
    let Some(value) = (unsafe { owned::<T>(object) }) else { return failed };
    // SAFETY: attached, by contract.
    let py = unsafe { Python::assume_attached() };
    guard_owned(py, failed, || body(py, value))
}

/// As [`guard`], for a caller that knows it is on the owner's thread.
pub(super) fn guard_owned<R>(py: Python<'_>, failed: R, body: impl FnOnce() -> PyResult<R>) -> R {
    caught(py, failed, c"a fault inside the server; please report it", body)
}

/// Runs the body of a slot. An error is raised in Python, and a panic as a `SystemError` with the text `fault`. On any attached
/// thread, as far as the errors were not made lazily.
#[inline]
pub(super) fn caught<R>(py: Python<'_>, failed: R, fault: &CStr, body: impl FnOnce() -> PyResult<R>) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.restore(py);
            failed
        }
        Err(_) => {
            // SAFETY: attached, and the class is always there.
            unsafe { ffi::PyErr_SetString(ffi::PyExc_SystemError, fault.as_ptr()) };
            failed
        }
    }
}
