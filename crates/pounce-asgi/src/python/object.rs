//! Python types of ours: heap types, made anew in each interpreter, with a Rust value inside.
//!
//! Not `#[pyclass]`: its types are process-wide, which interpreters with their own GIL must not share.
//! A value belongs to its worker's thread. Python may drop the last reference on another one (a pool
//! thread that held a request, say); the value then goes to the worker's [`Attic`] to be dropped there.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;

/// What a Python object of ours looks like in memory.
#[repr(C)]
pub(super) struct Object<T> {
    base: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    value: ManuallyDrop<T>,
    /// The thread that owns `value`.
    owner: usize,
    attic: *const Attic,
}

/// A Rust value that Python objects can carry.
pub(super) trait Payload: Sized + 'static {
    /// The type's name with a module: `pounce.Receive`.
    const NAME: &'static CStr;
    /// What a call of the object does, if it can be called.
    const VECTORCALL: Option<ffi::vectorcallfunc> = None;
    /// Slots beside those for destruction and calls.
    fn slots() -> Vec<ffi::PyType_Slot>;
}

/// A value whose objects can be called.
pub(super) trait Callable: Payload {
    /// Carries out a call. At most two arguments arrive, however many were given: nothing of ours takes more.
    fn call<'py>(&self, py: Python<'py>, arguments: &[Bound<'py, PyAny>]) -> PyResult<Py<PyAny>>;
}

/// What to give as [`Payload::VECTORCALL`] for a [`Callable`].
pub(super) unsafe extern "C" fn vectorcall<T: Callable>(
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of `Type<T>`, that many positional arguments, and
    // behind them one for each name.
    unsafe {
        let py = Python::assume_attached();
        guard(py, std::ptr::null_mut(), || {
            let keywords = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) as usize };
            let count = ffi::PyVectorcall_NARGS(count) as usize + keywords;
            let object = payload::<T>(object)?;
            // Nothing of ours takes more than two: no allocation.
            let argument = |at: usize| Bound::from_borrowed_ptr(py, *arguments.add(at));
            let called = match count {
                0 => object.call(py, &[]),
                1 => object.call(py, &[argument(0)]),
                _ => object.call(py, &[argument(0), argument(1)]),
            };
            Ok(called?.into_ptr())
        })
    }
}

/// The coroutine protocol's methods, in memory that CPython may keep pointing to.
pub(super) struct Methods(pub(super) [ffi::PyMethodDef; 4]);

// SAFETY: names and functions are constants, and nobody writes to them.
unsafe impl Sync for Methods {}

impl Methods {
    /// The slot that installs them.
    pub(super) fn slot(&'static self) -> ffi::PyType_Slot {
        slot(ffi::Py_tp_methods, self.0.as_ptr().cast_mut().cast())
    }
}

/// A Python type whose objects carry a `T`.
pub(super) struct Type<T> {
    object: Py<PyAny>,
    attic: Arc<Attic>,
    marker: PhantomData<fn() -> T>,
}

impl<T: Payload> Type<T> {
    /// Makes the type in the current interpreter.
    pub(super) fn new(py: Python<'_>, attic: &Arc<Attic>) -> PyResult<Self> {
        let mut slots = T::slots();
        let mut members = Vec::new();
        slots.push(slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void));
        let mut flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
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
        // SAFETY: attached; name and slots are valid, and CPython copies what it keeps of spec and members.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
        Ok(Self { object: object.unbind(), attic: Arc::clone(attic), marker: PhantomData })
    }

    /// A new object of the type, owned by this thread.
    pub(super) fn make<'py>(&self, py: Python<'py>, value: T) -> PyResult<Bound<'py, PyAny>> {
        let kind = self.object.as_ptr().cast::<ffi::PyTypeObject>();
        // SAFETY: attached; the allocation has the size of `Object<T>`, whose fields behind the base are
        // written before anybody can see the object. The attic lives as long as the type, which every
        // object of a heap type keeps alive by way of the worker.
        unsafe {
            let object = ffi::PyType_GenericAlloc(kind, 0).cast::<Object<T>>();
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            (&raw mut (*object).vectorcall).write(T::VECTORCALL);
            (&raw mut (*object).value).write(ManuallyDrop::new(value));
            (&raw mut (*object).owner).write(thread_token());
            (&raw mut (*object).attic).write(Arc::into_raw(Arc::clone(&self.attic)));
            Ok(Bound::from_owned_ptr(py, object.cast()))
        }
    }
}

/// The value inside an object of ours.
///
/// # Errors
/// Another thread than the object's own asks.
///
/// # Safety
/// `object` is an object of a [`Type<T>`], alive for as long as the result is used.
pub(super) unsafe fn payload<'a, T: Payload>(object: *mut ffi::PyObject) -> PyResult<&'a T> {
    // SAFETY: by contract.
    let object = unsafe { &*object.cast::<Object<T>>() };
    if object.owner != thread_token() {
        return Err(PyRuntimeError::new_err(
            "scope, receive and send belong to the event loop's thread; from another thread use \
             asyncio.run_coroutine_threadsafe() or anyio.from_thread.run()",
        ));
    }
    Ok(&object.value)
}

/// The value inside an object of ours, for whichever thread asks.
///
/// # Safety
/// As for [`payload`].
pub(super) unsafe fn shared_payload<'a, T: Payload + Sync>(object: *mut ffi::PyObject) -> &'a T {
    // SAFETY: by contract; `T` may be looked at from any thread.
    unsafe { &(*object.cast::<Object<T>>()).value }
}

unsafe extern "C" fn dealloc<T: Payload>(object: *mut ffi::PyObject) {
    // SAFETY: CPython calls this once, attached, with an object of `Type<T>` that nobody refers to. Objects
    // of heap types own a reference to their type.
    unsafe {
        let ours = object.cast::<Object<T>>();
        let value = ManuallyDrop::take(&mut (*ours).value);
        let attic = Arc::from_raw((*ours).attic);
        if (*ours).owner == thread_token() && !attic.is_closed() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        } else {
            attic.keep(value);
        }
        let kind = ffi::Py_TYPE(object);
        let free = ffi::PyType_GetSlot(kind, ffi::Py_tp_free);
        if !free.is_null() {
            let free: ffi::freefunc = std::mem::transmute(free);
            free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

/// Values whose objects died on a foreign thread, kept until their own thread looks.
pub(super) struct Attic {
    /// None when the loop is gone: from then on values are not dropped.
    kept: Mutex<Option<Vec<Kept>>>,
    /// The same, for the loop's own thread, which alone sets it.
    closed: AtomicBool,
}

impl Default for Attic {
    fn default() -> Self {
        Self { kept: Mutex::new(Some(Vec::new())), closed: AtomicBool::new(false) }
    }
}

struct Kept(#[allow(dead_code)] Box<dyn std::any::Any>);

// SAFETY: a kept value is only moved; it is looked at and dropped by its own thread alone, in `clear`.
unsafe impl Send for Kept {}

impl Attic {
    fn keep<T: 'static>(&self, value: T) {
        match &mut *self.lock() {
            Some(kept) => kept.push(Kept(Box::new(value))),
            // The loop is gone, and the interpreter may be going. What the value refers to goes with them; dropping
            // it now would need both.
            None => std::mem::forget(value),
        }
    }

    /// Drops what is kept. On the worker's thread.
    pub(super) fn clear(&self) {
        let kept = self.lock().as_mut().map(std::mem::take);
        drop(kept);
    }

    /// The loop is gone. On its thread.
    pub(super) fn close(&self) {
        let kept = self.lock().take();
        self.closed.store(true, Ordering::Relaxed);
        drop(kept);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells threads apart. A number is never used again, unlike an address or a thread's identifier: an object
/// that has outlived its thread belongs to nobody.
fn thread_token() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local!(static TOKEN: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    TOKEN.with(|token| *token)
}

/// Runs the body of a slot: a panic across C would abort, so it becomes an exception.
pub(super) fn guard<R>(py: Python<'_>, failed: R, body: impl FnOnce() -> PyResult<R>) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.restore(py);
            failed
        }
        Err(_) => {
            PySystemError::new_err("a fault inside the server; please report it").restore(py);
            failed
        }
    }
}

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
