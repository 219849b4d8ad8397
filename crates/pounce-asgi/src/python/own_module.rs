//! The bridge's Python modules of which there is one for all threads of an interpreter.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};

/// A module of ours, executed when it is first asked for.
///
/// # Errors
/// What its code raises.
pub(super) fn own_module<'py>(
    py: Python<'py>,
    name: &'static CStr,
    source: &'static CStr,
) -> PyResult<Bound<'py, PyModule>> {
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    if let Some(loaded) = modules.get_item(name.to_str().unwrap_or_default())? {
        return Ok(loaded.cast_into()?);
    }
    // Coverage tools and debuggers skip files whose names are in angle brackets.
    PyModule::from_code(py, source, c"<pounce>", name)
}
