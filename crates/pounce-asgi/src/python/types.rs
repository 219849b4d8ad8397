//! The Python types whose objects requests make, one set for each application of a loop.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::app_coroutine::AppCoroutine;
use super::coroutine::Coroutine;
use super::function::{Receive, Send, pose_as_coroutine_functions};
use super::object::Type;
use super::owner::Owner;

pub(super) struct Types {
    pub(super) receives: Type<Receive>,
    pub(super) sends: Type<Send>,
    pub(super) coroutines: Type<Coroutine>,
    pub(super) app_coroutines: Type<AppCoroutine>,
}

impl Types {
    /// Creates the types in the current interpreter.
    ///
    /// # Errors
    /// Memory is exhausted.
    pub(super) fn new(glue: &Bound<'_, PyModule>, owner: &Arc<Owner>) -> PyResult<Self> {
        let py = glue.py();
        let types = Self {
            receives: Type::new(py, owner)?,
            sends: Type::new(py, owner)?,
            coroutines: Type::new(py, owner)?,
            app_coroutines: Type::new(py, owner)?,
        };
        pose_as_coroutine_functions(glue, &types.receives, &types.sends)?;
        Ok(types)
    }
}
