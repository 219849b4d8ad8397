//! Python's `logging`, for the server's own lines.

use std::ffi::CStr;
use std::path::Path;
use std::time::SystemTime;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyTuple};

use super::interpreter::Interpreter;
use super::source;

/// Python's number of the level INFO, which access lines have.
const INFO: u8 = 20;

/// Loggers of the main interpreter. To be dropped while Python runs, and not while a lock is held that a thread with the
/// GIL may wait for.
#[derive(Debug)]
pub struct Loggers {
    /// `None` once it is dropped.
    handle: Option<Py<PyAny>>,
    /// The least severe level that is logged, in Python's numbers.
    pub level: u8,
}

/// Where a configuration comes from.
pub enum LogDict<'a> {
    /// A file, whose kind its name tells.
    File(&'a Path),
    /// A JSON object.
    Json(&'a str),
    /// A dictionary of the program that runs the server.
    Object(&'a Py<PyAny>),
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LogConfigError {
    /// The fault.
    pub message: String,
    /// A hint for the user; may be empty.
    pub hint: String,
}

/// A line for the loggers.
#[derive(Debug)]
pub enum LogLine {
    /// For the server's log.
    Event(LogEvent),
    /// For the access log.
    Request(LogRequest),
}

/// A line of the server's log.
#[derive(Debug)]
pub struct LogEvent {
    /// When it was logged.
    pub time: SystemTime,
    /// Its level, in Python's numbers.
    pub level: u8,
    /// Its text.
    pub text: String,
}

/// A line of the access log.
#[derive(Debug)]
pub struct LogRequest {
    /// When the response was complete.
    pub time: SystemTime,
    /// The line, if its format was chosen; otherwise it is uvicorn's.
    pub line: Option<String>,
    /// The client's address and port, or `unix`.
    pub client: String,
    /// The request's method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The version of HTTP: `1.1`.
    pub version: &'static str,
    /// The status of the response.
    pub status: u16,
    /// Bytes of the response's body.
    pub body_bytes: u64,
    /// Milliseconds from the request to the end of its response.
    pub milliseconds: f64,
}

impl Loggers {
    /// Configures logging, with classes from the application's folder, too. A `level` that is given, in Python's numbers, is
    /// set for the server's loggers. On any thread, detached.
    ///
    /// # Errors
    /// The configuration cannot be read or applied.
    pub fn configure(
        _: &Interpreter,
        source: &LogDict<'_>,
        level: Option<u8>,
        folder: &Path,
    ) -> Result<Self, LogConfigError> {
        Python::attach(|py| {
            let (path, text, object) = match source {
                LogDict::File(path) => (Some(path.as_os_str()), None, None),
                LogDict::Json(text) => (None, Some(*text), None),
                LogDict::Object(object) => (None, None, Some(*object)),
            };
            let made = PyModule::from_code(py, SOURCE, c"<pounce>", c"pounce_loggers").and_then(|module| {
                module.call_method1("configure", (path, text, object, level, folder.as_os_str()))
            });
            let made = made.map_err(|error| describe(py, &error))?;
            let level = made.getattr("level").and_then(|level| level.extract()).unwrap_or(0);
            let handle = made.getattr("handle").map_err(|error| describe(py, &error))?.unbind();
            Ok(Self { handle: Some(handle), level })
        })
    }

    /// Logs lines: the filters and handlers of the loggers run on this thread, which must be detached.
    pub fn log(&self, lines: &[LogLine]) {
        Python::attach(|py| {
            let lines = lines.iter().map(|line| told(py, line)).collect::<PyResult<Vec<_>>>();
            let logged = lines.and_then(|lines| match &self.handle {
                Some(handle) => handle.call1(py, (lines,)).map(drop),
                None => Ok(()),
            });
            if let Err(error) = logged {
                error.print(py);
            }
        });
    }
}

impl Drop for Loggers {
    fn drop(&mut self) {
        Python::attach(|_| drop(self.handle.take()));
    }
}

type Told<'py> = (f64, u8, Option<&'py str>, Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>);

/// A line as `Loggers.handle` takes it.
fn told<'py>(py: Python<'py>, line: &'py LogLine) -> PyResult<Told<'py>> {
    let none = PyTuple::empty(py);
    let request = match line {
        LogLine::Event(event) => {
            return Ok((seconds(event.time), event.level, Some(&event.text), none, None));
        }
        LogLine::Request(request) => request,
    };
    let LogRequest { line, client, method, target, version, status, .. } = request;
    let attributes = PyDict::new(py);
    attributes.set_item("client_addr", client)?;
    attributes.set_item("request_line", format!("{method} {target} HTTP/{version}"))?;
    attributes.set_item("status_code", status)?;
    attributes.set_item("response_bytes", request.body_bytes)?;
    attributes.set_item("duration_ms", request.milliseconds)?;
    let arguments = match line {
        Some(_) => none,
        None => (client, method, target, *version, *status).into_pyobject(py)?,
    };
    Ok((seconds(request.time), INFO, line.as_deref(), arguments, Some(attributes)))
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The fault and the hint of an `Unusable`, or any other error as its text.
fn describe(py: Python<'_>, error: &PyErr) -> LogConfigError {
    let arguments = error.value(py).getattr("args").and_then(|arguments| arguments.extract());
    let (message, hint) = arguments.unwrap_or_else(|_| (error.to_string(), String::new()));
    LogConfigError { message, hint }
}

const SOURCE: &CStr = source(concat!(include_str!("loggers.py"), "\0"));
