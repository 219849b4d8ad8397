//! The task of a request. asyncio makes a whole one only for a call that outlasts its first step, as most do not.
//!
//! For the first step there is an object that asyncio takes for the current task. Its type is a subtype of `asyncio.Task` that
//! has the slots by which Python code can look at an object: whoever looks finds a real task, because the object becomes one
//! first. It then has the type `asyncio.Task` itself, and asyncio's constructor has run on it; the step that the
//! constructor asks the loop for is set aside. When the application has not ended by the end of its first step, or somebody
//! keeps the task, the step that was set aside is taken at once, and finds what the first step has come to.
//!
//! A weak reference, `hash()`, `is` and `isinstance()` need no real task: what keys a dict by the current task stays cheap.
//! asyncio's debug mode, Pythons before 3.12, which start no task eagerly, and those without a GIL, where other threads
//! may look at an object while its type changes, use asyncio's tasks from the start, as does asyncio's own loop.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::rc::Rc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::app_coroutine::AppCoroutine;
use super::asyncio::Asyncio;
use super::context::Context;
use super::current_task::CurrentTask;
use super::loop_driver::LoopDriver;
use super::native_loop::HostedLoop;
use super::slots::slot;

/// Makes the tasks of requests on one loop.
pub(super) struct RequestTasks {
    /// The type of tasks in their first step.
    begun: Py<PyAny>,
    /// `asyncio.Task`.
    task: Py<PyAny>,
    /// The first step that an object of that type takes.
    first: Box<Cell<Option<FirstStep>>>,
    /// An object of that type that takes none.
    spare: Cell<Option<Py<PyAny>>>,
    current: CurrentTask,
    driver: Rc<LoopDriver>,
    /// Of `asyncio.Task`'s constructor. It only reads them, so all tasks share one dict.
    keywords: Py<PyDict>,
    context: Py<PyString>,
}

/// The first step of a task, and what makes the task a real one. All of it lasts as long as the step.
#[derive(Clone, Copy)]
struct FirstStep {
    tasks: *const RequestTasks,
    coroutine: *mut ffi::PyObject,
    context: *mut ffi::PyObject,
}

impl RequestTasks {
    /// None where asyncio's tasks are used from the start.
    ///
    /// # Errors
    /// This Python's asyncio lacks something.
    pub(super) fn new(py: Python<'_>, asyncio: &Asyncio) -> PyResult<Option<Self>> {
        if cfg!(Py_GIL_DISABLED) || !cfg!(Py_3_12) || asyncio.driver.native().is_none() {
            return Ok(None);
        }
        let task = py.import("asyncio.tasks")?.getattr("Task")?;
        if !py.import("_asyncio")?.getattr("Task")?.is(&task) {
            // A tool has replaced it by a class in Python.
            return Ok(None);
        }
        let first = Box::default();
        let Some(begun) = begun_type(&task, &first)? else { return Ok(None) };
        let keywords = asyncio.task_keywords.bind(py).copy()?;
        keywords.del_item("eager_start")?;
        Ok(Some(Self {
            begun: begun.unbind(),
            task: task.unbind(),
            first,
            spare: Cell::new(None),
            current: CurrentTask::of(asyncio.event_loop.bind(py))?,
            driver: Rc::clone(&asyncio.driver),
            keywords: keywords.unbind(),
            context: asyncio.names.context.clone_ref(py),
        }))
    }

    /// Takes the first step of a coroutine. Returns its task if it has not ended, or somebody keeps the task.
    ///
    /// # Errors
    /// asyncio's, of which the coroutine knows nothing.
    pub(super) fn start<'py>(
        &self,
        coroutine: &Bound<'py, PyAny>,
        own: &AppCoroutine,
        context: Option<Context>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = coroutine.py();
        let context = context.map_or_else(|| Context::copy_current(py), Ok)?;
        let task = self.object(py)?;
        let (coroutine, context_object) = (coroutine.as_ptr(), context.as_object().as_ptr());
        let first = FirstStep { tasks: self, coroutine, context: context_object };
        self.first.set(Some(first));
        let step = || context.run(py, || own.step(py, py.None().as_ptr()));
        let is_begun = || task.get_type().as_ptr() == self.begun.as_ptr();
        let stepped = self.current.during(&task, step, || !is_begun());
        if is_begun() {
            if matches!(stepped, Ok(None)) && !self.is_known(&task) {
                self.spare.set(Some(task.unbind()));
                return Ok(None);
            }
            // SAFETY: attached; the object is of the type.
            if !unsafe { first.complete(task.as_ptr()) } {
                return Err(PyErr::fetch(py));
            }
        }
        own.anticipate(stepped);
        let next = self.driver.native().and_then(HostedLoop::take_aside);
        next.ok_or_else(|| PyRuntimeError::new_err("the task of the request could not be made"))?.call(py)?;
        if own.take_cancelled() {
            // It was counted then.
            task.call_method1("cancel", (task.getattr("_cancel_message")?,))?;
            task.call_method0("uncancel")?;
        }
        Ok(Some(task))
    }

    /// An object of the type of begun tasks: the one that the last call has left untouched, or a new one.
    fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(spare) = self.spare.take() {
            return Ok(spare.into_bound(py));
        }
        // SAFETY: attached; the types are alive. The memory is that of a task, with all that this Python puts around one.
        unsafe {
            let task = ffi::PyType_GenericAlloc(self.task.as_ptr().cast(), 0);
            let task = Bound::from_owned_ptr_or_err(py, task)?;
            // Nobody is to find one between two calls. It refers to nothing until it is a real task.
            ffi::PyObject_GC_UnTrack(task.as_ptr().cast());
            set_type(task.as_ptr(), self.begun.as_ptr());
            Ok(task)
        }
    }

    /// Whether somebody has, or weakly has, a task in its first step.
    fn is_known(&self, task: &Bound<'_, PyAny>) -> bool {
        // SAFETY: attached; the memory is that of a task, whose type says where the list of weak references is.
        unsafe {
            let at = (*self.task.as_ptr().cast::<ffi::PyTypeObject>()).tp_weaklistoffset;
            let references = task.as_ptr().byte_offset(at).cast::<*mut ffi::PyObject>();
            ffi::Py_REFCNT(task.as_ptr()) > 1 || !references.read().is_null()
        }
    }
}

impl Drop for RequestTasks {
    fn drop(&mut self) {
        if let Some(spare) = self.spare.take() {
            // SAFETY: applications are dropped attached. The object dies as a task that was never started.
            unsafe { set_type(spare.as_ptr(), self.task.as_ptr()) };
        }
    }
}

/// The attribute of the type of begun tasks that has the first step.
const FIRST_STEP: &CStr = c"_first_step";

/// The type of tasks in their first step. None if its objects could not become tasks.
fn begun_type<'py>(
    task: &Bound<'py, PyAny>,
    first: &Cell<Option<FirstStep>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = task.py();
    let mut slots = [
        slot(ffi::Py_tp_getattro, get_attribute as *mut c_void),
        slot(ffi::Py_tp_setattro, set_attribute as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_iter, iterate as *mut c_void),
        slot(ffi::Py_am_await, iterate as *mut c_void),
        slot(0, std::ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"_asyncio.Task".as_ptr(),
        // That of the base.
        basicsize: 0,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; CPython copies what it keeps of the spec.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&raw mut spec, task.as_ptr());
        let made = Bound::from_owned_ptr_or_err(py, made)?;
        let first = std::ptr::from_ref(first).cast_mut().cast();
        let capsule = ffi::PyCapsule_New(first, FIRST_STEP.as_ptr(), None);
        made.setattr("_first_step", Bound::from_owned_ptr_or_err(py, capsule)?)?;
        let size = |kind: &Bound<'_, PyAny>| (*kind.as_ptr().cast::<ffi::PyTypeObject>()).tp_basicsize;
        Ok((size(&made) == size(task)).then_some(made))
    }
}

/// Changes the type of an object.
///
/// # Safety
/// Attached; the memory of the object is that of one of this type.
unsafe fn set_type(object: *mut ffi::PyObject, kind: *mut ffi::PyObject) {
    // SAFETY: by contract. An object owns a reference to its type.
    unsafe {
        let before = ffi::Py_TYPE(object);
        ffi::Py_INCREF(kind);
        (*object).ob_type = kind.cast();
        ffi::Py_DECREF(before.cast());
    }
}

/// The first step that the object of a type of begun tasks takes.
///
/// # Safety
/// Attached; it is such a type, and there is such an object.
unsafe fn first_step(kind: *mut ffi::PyTypeObject) -> Option<FirstStep> {
    // SAFETY: by contract. The type keeps the capsule, and whoever made the object keeps what it points to.
    unsafe {
        // The cache of types keeps each name that it sees: it must be one object.
        let name = ffi::PyUnicode_InternFromString(FIRST_STEP.as_ptr());
        if name.is_null() {
            return None;
        }
        let capsule = ffi::PyObject_GetAttr(kind.cast(), name);
        ffi::Py_DECREF(name);
        if capsule.is_null() {
            return None;
        }
        let first = ffi::PyCapsule_GetPointer(capsule, FIRST_STEP.as_ptr());
        ffi::Py_DECREF(capsule);
        first.cast::<Cell<Option<FirstStep>>>().as_ref()?.get()
    }
}

impl FirstStep {
    /// Makes the object that takes this step a task that is about to take it. False, with an exception set, if it cannot be
    /// one. On any thread: PyO3's objects must not be dropped.
    ///
    /// # Safety
    /// Attached; the object is of the type of begun tasks, and the step has not ended.
    #[cold]
    unsafe fn complete(self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: by contract.
        unsafe {
            let tasks = &*self.tasks;
            let task: *mut ffi::PyTypeObject = tasks.task.as_ptr().cast();
            set_type(object, task.cast());
            ffi::PyObject_GC_Track(object.cast());
            let (Some(init), Some(event_loop)) = ((*task).tp_init, tasks.driver.native()) else {
                return false;
            };
            let arguments = ffi::PyTuple_Pack(1, self.coroutine);
            if arguments.is_null() {
                return false;
            }
            let (keywords, name) = (tasks.keywords.as_ptr(), tasks.context.as_ptr());
            // The constructor ends with Python code, during which the thread of the loop may end the step.
            let made = event_loop.set_aside(|| {
                ffi::PyDict_SetItem(keywords, name, self.context) == 0
                    && init(object, arguments, keywords) == 0
            });
            // The dict must not keep the context.
            let is_forgotten = ffi::PyDict_SetItem(keywords, name, ffi::Py_None()) == 0;
            ffi::Py_DECREF(arguments);
            made && is_forgotten
        }
    }
}

/// Makes an object of the type of begun tasks a real task. False, with an exception set, if it cannot be one. On any thread.
///
/// # Safety
/// Attached; it is such an object.
#[cold]
unsafe fn complete(object: *mut ffi::PyObject) -> bool {
    // SAFETY: by contract. The step has not ended: an object that outlasts it is a task by then.
    unsafe { first_step(ffi::Py_TYPE(object)).is_some_and(|first| first.complete(object)) }
}

unsafe extern "C" fn get_attribute(
    object: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this attached, with an object of the type; so below.
    unsafe { if complete(object) { ffi::PyObject_GetAttr(object, name) } else { std::ptr::null_mut() } }
}

unsafe extern "C" fn set_attribute(
    object: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: as above; without a value the attribute is deleted.
    unsafe { if complete(object) { ffi::PyObject_SetAttr(object, name, value) } else { -1 } }
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { if complete(object) { ffi::PyObject_Repr(object) } else { std::ptr::null_mut() } }
}

unsafe extern "C" fn iterate(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { if complete(object) { ffi::PyObject_GetIter(object) } else { std::ptr::null_mut() } }
}
