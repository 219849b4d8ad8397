//! The Python types whose objects requests make, one set for each application of a loop.

use pyo3::prelude::*;

use super::app_coroutine::AppCoroutine;
use super::asyncio::Asyncio;
use super::coroutine::Coroutine;
use super::function::{Receive, Send, pose_as_coroutine_functions};
use super::object::Type;
use super::request_task::RequestTasks;

pub(super) struct Types {
    pub(super) receives: Type<Receive>,
    pub(super) sends: Type<Send>,
    pub(super) coroutines: Type<Coroutine>,
    pub(super) app_coroutines: Type<AppCoroutine>,
    /// None where asyncio makes the tasks.
    pub(super) tasks: Option<RequestTasks>,
}

impl Types {
    /// Creates the types in the current interpreter.
    ///
    /// # Errors
    /// Memory is exhausted, or this Python's asyncio lacks something.
    pub(super) fn new(py: Python<'_>, asyncio: &Asyncio) -> PyResult<Self> {
        let owner = &asyncio.owner;
        let types = Self {
            receives: Type::new(py, owner)?,
            sends: Type::new(py, owner)?,
            coroutines: Type::new(py, owner)?,
            app_coroutines: Type::new(py, owner)?,
            tasks: RequestTasks::new(py, asyncio)?,
        };
        pose_as_coroutine_functions(asyncio.glue.bind(py), &types.receives, &types.sends)?;
        Ok(types)
    }
}
