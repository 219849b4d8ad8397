//! Why an application could not be imported.

use pyo3::prelude::*;

use super::asyncio::Asyncio;

/// Why an application could not be imported, with a hint.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// The fault, with a traceback if there is one.
    pub message: String,
    /// A hint for the user; may be empty.
    pub hint: String,
}

pub(super) fn load_error(py: Python<'_>, asyncio: &Asyncio, error: &PyErr) -> LoadError {
    let value = error.value(py);
    let text = |name| value.getattr(name).ok().and_then(|text| text.extract::<String>().ok());
    match (text("message"), text("hint")) {
        (Some(message), Some(hint)) => LoadError { message, hint },
        _ => LoadError { message: asyncio.traceback(py, error), hint: String::new() },
    }
}
