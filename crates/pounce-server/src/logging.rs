//! The server's log: events of the server and the application, on stderr.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::SystemTime;

use pounce_config::{LogConfig, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

use crate::clock::rfc3339;
use crate::error::ServerError;
use crate::output::{self, Events};

/// Installs the log for this process. A second installation has no effect.
///
/// # Errors
/// A log file cannot be opened.
pub(crate) fn install(config: &LogConfig) -> Result<(), ServerError> {
    for (path, open) in [
        (&config.error_file, output::use_log_file as fn(&Path) -> io::Result<()>),
        (&config.access_file, |path| output::STDOUT.use_file(path)),
    ] {
        if let Some(path) = path {
            open(path).map_err(|error| ServerError::LogFile { path: path.clone(), error })?;
        }
    }
    let level = match config.level {
        LogLevel::Critical | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let is_terminal = config.error_file.is_none() && io::stderr().is_terminal();
    let colors = are_colored(config, is_terminal);
    let builder = tracing_subscriber::fmt()
        .with_writer(|| Events)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(colors);
    if is_json(config) {
        output::use_json();
    }
    let installed = if is_json(config) {
        tracing::subscriber::set_global_default(builder.json().flatten_event(true).with_target(true).finish())
    } else {
        tracing::subscriber::set_global_default(builder.finish())
    };
    // An error means that the program that embeds the server has installed its own.
    drop(installed);
    Ok(())
}

/// Whether lines of a stream have colours: as configured, else on a terminal unless NO_COLOR is set.
pub(crate) fn are_colored(config: &LogConfig, is_terminal: bool) -> bool {
    config.colors.unwrap_or_else(|| is_terminal && output::colors_are_wanted())
}

/// Whether events are JSON objects, one a line.
fn is_json(config: &LogConfig) -> bool {
    config.format == LogFormat::Json
}

/// A warning in the log's format, whatever its level: for the notice about lines that could not be printed.
pub(crate) fn warning(text: &str) -> Vec<u8> {
    let time = rfc3339(SystemTime::now());
    let line = if output::is_json() {
        serde_json::json!({ "timestamp": time, "level": "WARN", "target": "pounce", "message": text })
            .to_string()
    } else {
        format!("{time}  WARN {text}")
    };
    format!("{line}\n").into_bytes()
}
