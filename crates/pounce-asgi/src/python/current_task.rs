//! asyncio's current task of one loop, and its eager tasks: those in their first step.

use pyo3::ffi;
use pyo3::prelude::*;

/// Tells asyncio of a task of one loop in its first step.
pub(super) struct CurrentTask {
    event_loop: Py<PyAny>,
    means: Means,
}

/// How asyncio is told.
enum Means {
    /// By its own dict of current tasks and set of eager tasks.
    Collections { current: Py<PyAny>, eager: Py<PyAny> },
    /// By its functions; from Python 3.14 on it has no such collections.
    Functions { swap: Py<PyAny>, register: Py<PyAny>, unregister: Py<PyAny> },
}

impl CurrentTask {
    /// That of `event_loop`.
    ///
    /// # Errors
    /// This Python's asyncio has no eager tasks.
    pub(super) fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let native = py.import("_asyncio")?;
        let part = |name| PyResult::Ok(native.getattr(name)?.unbind());
        let means = match (part("_current_tasks"), part("_eager_tasks")) {
            (Ok(current), Ok(eager)) => Means::Collections { current, eager },
            _ => Means::Functions {
                swap: part("_swap_current_task")?,
                register: part("_register_eager_task")?,
                unregister: part("_unregister_eager_task")?,
            },
        };
        Ok(Self { event_loop: event_loop.clone().unbind(), means })
    }

    /// Runs a first step. No other task takes a step on this loop then: the caller is the runtime. `has_registered` says
    /// afterwards whether asyncio has registered the task as one that goes on.
    ///
    /// # Errors
    /// The step's, or memory is exhausted.
    pub(super) fn during<R>(
        &self,
        task: &Bound<'_, PyAny>,
        step: impl FnOnce() -> PyResult<R>,
        has_registered: impl FnOnce() -> bool,
    ) -> PyResult<R> {
        let py = task.py();
        match &self.means {
            Means::Collections { current, eager } => {
                let (event_loop, task) = (self.event_loop.as_ptr(), task.as_ptr());
                // SAFETY: attached; these are a dict and a set, and all objects are alive.
                unsafe {
                    debug_assert!(ffi::PyDict_GetItem(current.as_ptr(), event_loop).is_null());
                    checked(py, ffi::PySet_Add(eager.as_ptr(), task))?;
                    checked(py, ffi::PyDict_SetItem(current.as_ptr(), event_loop, task))?;
                }
                let stepped = step();
                // SAFETY: as above.
                unsafe {
                    checked(py, ffi::PyDict_DelItem(current.as_ptr(), event_loop))?;
                    checked(py, ffi::PySet_Discard(eager.as_ptr(), task))?;
                }
                stepped
            }
            Means::Functions { swap, register, unregister } => {
                let before = swap.call1(py, (&self.event_loop, task))?;
                register.call1(py, (task,))?;
                let stepped = step();
                // There is one list of all tasks.
                if !has_registered() {
                    unregister.call1(py, (task,))?;
                }
                swap.call1(py, (&self.event_loop, before))?;
                stepped
            }
        }
    }
}

/// The error that a result below zero stands for.
fn checked(py: Python<'_>, result: std::ffi::c_int) -> PyResult<()> {
    if result < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
}
