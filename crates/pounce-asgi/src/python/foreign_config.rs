//! Another server's configuration that is a Python program.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::asyncio::whole;
use super::interpreter::Interpreter;
use super::source;

/// Evaluates a file, `file:PATH` or `python:MODULE`, and returns a JSON array: each setting's name with its values as
/// texts. What the program prints goes to standard error. On any thread, detached.
///
/// # Errors
/// What the program raised.
pub fn evaluate_config(_: &Interpreter, location: &str) -> Result<String, String> {
    Python::attach(|py| {
        let module = PyModule::from_code(py, SOURCE, c"<pounce>", c"pounce_foreign_config");
        let module = module.map_err(|error| error.to_string())?;
        let evaluated = module.call_method1("evaluate", (location,)).and_then(|json| json.extract());
        evaluated.map_err(|error: PyErr| {
            let explained =
                module.call_method1("explain", (whole(py, &error),)).and_then(|text| text.extract());
            explained.unwrap_or_else(|_| error.to_string())
        })
    })
}

const SOURCE: &CStr = source(concat!(include_str!("foreign_config.py"), "\0"));
