//! The server's log: events of the server and the application, on stderr, in a file, or for Python's logging.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::SystemTime;

use pounce_asgi::python::{LogEvent, LogLine};
use pounce_config::{LogConfig, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, reload};

use crate::error::ServerError;
use crate::output::{self, Events, LINES};

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Lines, Registry>, Registry>;

/// What a later server of this process may change.
struct Log {
    lines: reload::Handle<Lines, Registry>,
    level: reload::Handle<LevelFilter, Filtered>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Installs the log for this process. A second installation replaces the first.
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
    if config.python.is_some() {
        LINES.expect();
    }
    output::use_json(config.python.is_none() && config.format == LogFormat::Json);
    if let Some(log) = LOG.get() {
        // An error means that the subscriber is gone: the program has installed its own.
        let _ = log.lines.reload(lines(config));
        let _ = log.level.reload(filter(config.level));
        return Ok(());
    }
    let (lines, lines_handle) = reload::Layer::new(lines(config));
    let (level, level_handle) = reload::Layer::new(filter(config.level));
    let installed =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(level));
    // An error means that the program that embeds the server has installed its own.
    if installed.is_ok() {
        let _ = LOG.set(Log { lines: lines_handle, level: level_handle });
    }
    Ok(())
}

/// Logs from this level on.
pub(crate) fn set_level(level: LogLevel) {
    let _ = LOG.get().map(|log| log.level.reload(filter(level)));
}

/// Logs what Python's logging does not discard; `least` is in its numbers.
pub(crate) fn set_python_level(least: u8) {
    let level = match least {
        ..10 => LevelFilter::TRACE,
        10..20 => LevelFilter::DEBUG,
        20..30 => LevelFilter::INFO,
        30..40 => LevelFilter::WARN,
        40.. => LevelFilter::ERROR,
    };
    let _ = LOG.get().map(|log| log.level.reload(level));
}

/// What writes the lines.
fn lines(config: &LogConfig) -> Lines {
    if config.python.is_some() {
        let bare = tracing_subscriber::fmt::layer().without_time().with_level(false).with_target(false);
        return bare.with_ansi(false).with_writer(ForPython).boxed();
    }
    let is_terminal = config.error_file.is_none() && io::stderr().is_terminal();
    let colors = are_colored(config, is_terminal);
    let layer = tracing_subscriber::fmt::layer().with_writer(|| Events).with_ansi(colors);
    match config.format {
        LogFormat::Json => layer.json().flatten_event(true).with_target(true).boxed(),
        _ => layer.with_target(false).boxed(),
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Critical | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Makes the writers of events for Python's logging.
struct ForPython;

/// A writer that receives one whole event.
struct EventForPython(u8);

impl<'a> MakeWriter<'a> for ForPython {
    type Writer = EventForPython;

    fn make_writer(&'a self) -> EventForPython {
        EventForPython(20)
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> EventForPython {
        EventForPython(match *event.level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            Level::DEBUG => 10,
            Level::TRACE => 5,
        })
    }
}

impl Write for EventForPython {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(text).trim_end_matches('\n').to_owned();
        LINES.push(LogLine::Event(LogEvent { time: SystemTime::now(), level: self.0, text: line }));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether lines of a stream have colours: as configured, else on a terminal unless NO_COLOR is set.
pub(crate) fn are_colored(config: &LogConfig, is_terminal: bool) -> bool {
    config.colors.unwrap_or_else(|| is_terminal && output::colors_are_wanted())
}
