//! asyncio's current task of one loop, and its eager tasks: those in their first step.

use pyo3::ffi;
use pyo3::prelude::*;

/// Tells asyncio of a task in its first step.
pub(super) enum CurrentTask {
    /// By asyncio's own dict of current tasks and set of eager tasks.
    Collections { event_loop: Py<PyAny>, current: Py<PyAny>, eager: Py<PyAny> },
    /// By asyncio's functions; from Python 3.14 on it has no such collections.
    Functions { event_loop: Py<PyAny>, swap: Py<PyAny>, register: Py<PyAny>, unregister: Py<PyAny> },
}

impl CurrentTask {
    /// That of `event_loop`.
    ///
    /// # Errors
    /// This Python's asyncio has no eager tasks.
    pub(super) fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let native = py.import("_asyncio")?;
        let event_loop = event_loop.clone().unbind();
        if let (Ok(current), Ok(eager)) = (native.getattr("_current_tasks"), native.getattr("_eager_tasks"))
            && !cfg!(Py_3_14)
        {
            return Ok(Self::Collections { event_loop, current: current.unbind(), eager: eager.unbind() });
        }
        Ok(Self::Functions {
            event_loop,
            swap: native.getattr("_swap_current_task")?.unbind(),
            register: native.getattr("_register_eager_task")?.unbind(),
            unregister: native.getattr("_unregister_eager_task")?.unbind(),
        })
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
        match self {
            Self::Collections { event_loop, current, eager } => {
                let (event_loop, task) = (event_loop.as_ptr(), task.as_ptr());
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
            Self::Functions { event_loop, swap, register, unregister } => {
                let before = swap.call1(py, (event_loop, task))?;
                register.call1(py, (task,))?;
                let stepped = step();
                // There is one list of all tasks.
                if !has_registered() {
                    unregister.call1(py, (task,))?;
                }
                swap.call1(py, (event_loop, before))?;
                stepped
            }
        }
    }
}

/// The error that a result below zero stands for.
fn checked(py: Python<'_>, result: std::ffi::c_int) -> PyResult<()> {
    if result < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
}
