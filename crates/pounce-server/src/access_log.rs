//! The access log: a line for each response, written in batches off the hot path, or handed to Python's logging.

mod format;

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::SystemTime;

use pounce_asgi::python::{LogLine, LogRequest};
use pounce_config::{LogConfig, LogLevel};
use pounce_worker::{ExchangeRecord, Observer};

use crate::logging;
use crate::output::{LINES, STDOUT};
use format::Format;

/// Turns records into lines.
pub(crate) struct AccessLog {
    lines: Lines,
    excluded: Vec<String>,
}

/// Where lines go.
enum Lines {
    /// Hands lines to the writer of standard output.
    Native { format: Format, line: RefCell<Vec<u8>> },
    /// Hands lines to Python's logging: uvicorn's, if there is no format.
    Python { format: Option<Format> },
}

impl AccessLog {
    /// The configured access log. Its lines have level INFO; a higher level silences it.
    pub(crate) fn of(config: &LogConfig) -> Option<Self> {
        let is_silent = config.level < LogLevel::Info;
        let format = config.access.as_ref()?;
        if config.python.is_some() {
            let format = config.access_format_is_given.then(|| Format::new(format, false));
            return (!config.level_is_given || !is_silent)
                .then(|| Self::with(Lines::Python { format }, config));
        }
        let is_terminal = config.access_file.is_none() && std::io::stdout().is_terminal();
        let colored = logging::are_colored(config, is_terminal);
        let native = Lines::Native { format: Format::new(format, colored), line: RefCell::default() };
        (!is_silent).then(|| Self::with(native, config))
    }

    fn with(lines: Lines, config: &LogConfig) -> Self {
        Self { lines, excluded: config.access_exclude.clone() }
    }

    /// Whether requests for a path are left out.
    fn excludes(&self, path: &[u8]) -> bool {
        self.excluded.iter().any(|excluded| match excluded.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning.as_bytes()),
            None => path == excluded.as_bytes(),
        })
    }

    fn format(&self) -> Option<&Format> {
        match &self.lines {
            Lines::Native { format, .. } => Some(format),
            Lines::Python { format } => format.as_ref(),
        }
    }
}

impl Observer for AccessLog {
    fn needs_response_fields(&self) -> bool {
        self.format().is_some_and(Format::needs_response_fields)
    }

    fn end(&self, _number: u64, record: &ExchangeRecord<'_>) {
        if self.excludes(record.request.head.raw_path()) {
            return;
        }
        match &self.lines {
            Lines::Native { format, line } => {
                let mut line = line.borrow_mut();
                line.clear();
                format.write(record, &mut line);
                line.push(b'\n');
                STDOUT.push(&line);
            }
            Lines::Python { format } => LINES.push(LogLine::Request(request(record, format.as_ref()))),
        }
    }
}

/// A record for Python's logging.
fn request(record: &ExchangeRecord<'_>, format: Option<&Format>) -> LogRequest {
    let head = record.request.head;
    let line = format.map(|format| {
        let mut line = Vec::new();
        format.write(record, &mut line);
        String::from_utf8_lossy(&line).into_owned()
    });
    LogRequest {
        time: SystemTime::now(),
        line,
        client: record.request.peer.client.to_string(),
        method: format::escaped(head.method()),
        target: format::escaped(head.target()),
        version: head.version().as_str(),
        status: record.status,
        body_bytes: record.body_bytes,
        milliseconds: record.duration.as_secs_f64() * 1000.0,
    }
}
