//! Python's `logging`, where the configuration hands it the lines.

use std::sync::Arc;

use pounce_asgi::python::{Interpreter, LogDict, Loggers, ProgramObjects};
use pounce_config::{LogLevel, LogSource, WorkerConfig};

use crate::error::ServerError;
use crate::logging;
use crate::output::LINES;

/// A server whose lines go to Python's logging, until this is ended.
#[must_use]
pub(crate) struct PythonLog(());

/// Configures Python's logging and hands lines over from now on, if the configuration says so.
///
/// # Errors
/// Python's logging cannot be configured, or the system cannot start a thread.
pub(crate) fn start(
    interpreter: &Interpreter,
    config: &WorkerConfig,
    objects: Option<&ProgramObjects>,
) -> Result<Option<PythonLog>, ServerError> {
    let log = &config.log;
    let (source, name) = match &log.python {
        None => return Ok(None),
        Some(LogSource::File(path)) => (LogDict::File(path), path.display().to_string()),
        Some(LogSource::Json(text)) => (LogDict::Json(text), "given as a table".to_owned()),
        Some(LogSource::Program) => match objects.and_then(|objects| objects.log_config.as_ref()) {
            Some(object) => (LogDict::Object(object), "given as a dictionary".to_owned()),
            None => return Ok(None),
        },
    };
    let level = log.level_is_given.then(|| number(log.level));
    let loggers = Loggers::configure(interpreter, &source, level, &config.app.folder());
    let loggers = loggers.map_err(|error| ServerError::LogConfig { name, error })?;
    logging::set_python_level(loggers.level);
    LINES
        .hand_over_to(Arc::new(loggers))
        .map_err(|error| ServerError::System { what: "cannot hand lines over to Python", error })?;
    Ok(Some(PythonLog(())))
}

impl PythonLog {
    /// Hands over the lines that are queued. False if a handler does not end: it still runs Python then.
    pub(crate) fn end(self) -> bool {
        LINES.end()
    }
}

/// A level in Python's numbers.
fn number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Critical => 50,
        LogLevel::Error => 40,
        LogLevel::Warning => 30,
        LogLevel::Info => 20,
        LogLevel::Debug => 10,
        LogLevel::Trace => 5,
    }
}
