//! The server's process and its logs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a server changes in its process. Nothing in a server that a program runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessConfig {
    /// Its working directory.
    pub chdir: Option<PathBuf>,
    /// Permission bits that new files do not get; `None` leaves the mask as it is.
    pub umask: Option<u32>,
    /// The user it becomes, by name or number.
    pub user: Option<String>,
    /// The group it becomes, by name or number; `None` for that of the user.
    pub group: Option<String>,
    /// The file that has its id while it runs.
    pub pid: Option<PathBuf>,
    /// The name of its processes.
    pub name: Option<String>,
}

/// The logs and their form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LogConfig {
    /// The configuration of Python's logging, which gets all lines then; `None` if the server writes them itself.
    pub python: Option<LogSource>,
    /// The least severe level that is logged.
    pub level: LogLevel,
    /// Whether the level was given; otherwise it is that of Python's logger, where lines go there.
    pub level_is_given: bool,
    /// Form of log lines.
    pub format: LogFormat,
    /// Colours; `None` for only on a terminal.
    pub colors: Option<bool>,
    /// Form of the access log; `None` if it is off.
    pub access: Option<AccessLogFormat>,
    /// Whether the format was given; otherwise Python's logger gets uvicorn's message and arguments.
    pub access_format_is_given: bool,
    /// Paths whose requests are not in it; `*` at the end of one stands for anything.
    pub access_exclude: Vec<String>,
    /// File of the access log; `None` for standard output.
    pub access_file: Option<PathBuf>,
    /// File of all other lines; `None` for standard error.
    pub error_file: Option<PathBuf>,
}

/// Where a configuration of Python's logging is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    /// In a file, whose kind its name tells.
    File(PathBuf),
    /// In this text: a JSON object.
    Json(String),
    /// The program that runs the server has it as an object.
    Program,
}

/// Severity, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The server cannot go on.
    Critical,
    /// Something failed.
    Error,
    /// Something is wrong, and the server goes on.
    Warning,
    /// Events for operators.
    Info,
    /// Events for developers.
    Debug,
    /// Everything.
    Trace,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Chosen by the logger.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Form of access log lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// A template of gunicorn's `%(h)s` or granian's `%(addr)s` atoms; the logger decides which atoms exist.
    Text(String),
}
