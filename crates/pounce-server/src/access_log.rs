//! The access log: a line of stdout for each response, written in batches off the hot path.

mod format;

use std::cell::RefCell;
use std::io::IsTerminal as _;

use pounce_config::{LogConfig, LogLevel};
use pounce_worker::{ExchangeRecord, Observer};

use crate::logging;
use crate::output::STDOUT;
use format::Format;

/// Formats records and hands the lines to the writer of standard output.
pub(crate) struct AccessLog {
    format: Format,
    line: RefCell<Vec<u8>>,
}

impl AccessLog {
    /// The configured access log. Its lines have level INFO; a higher level silences it.
    pub(crate) fn of(config: &LogConfig) -> Option<Self> {
        let format = config.access.as_ref().filter(|_| config.level >= LogLevel::Info)?;
        let is_terminal = config.access_file.is_none() && std::io::stdout().is_terminal();
        let colored = logging::are_colored(config, is_terminal);
        Some(Self { format: Format::new(format, colored), line: RefCell::default() })
    }
}

impl Observer for AccessLog {
    fn needs_response_fields(&self) -> bool {
        self.format.needs_response_fields()
    }

    fn end(&self, _number: u64, record: &ExchangeRecord<'_>) {
        let mut line = self.line.borrow_mut();
        line.clear();
        self.format.write(record, &mut line);
        line.push(b'\n');
        STDOUT.push(&line);
    }
}
