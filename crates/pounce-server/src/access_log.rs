//! The access log: a line of stdout for each response, written in batches off the hot path.

mod format;

use std::cell::RefCell;

use pounce_config::AccessLogFormat;
use pounce_worker::AccessRecord;

use crate::output::STDOUT;
use format::Format;

/// Formats records and hands the lines to the writer of standard output.
pub(crate) struct AccessLog {
    format: Format,
    line: RefCell<Vec<u8>>,
}

impl AccessLog {
    pub(crate) fn new(format: &AccessLogFormat) -> Self {
        Self { format: Format::new(format), line: RefCell::default() }
    }
}

impl pounce_worker::AccessLog for AccessLog {
    fn needs_response_fields(&self) -> bool {
        self.format.needs_response_fields()
    }

    fn record(&self, record: &AccessRecord<'_>) {
        let mut line = self.line.borrow_mut();
        line.clear();
        self.format.write(record, &mut line);
        line.push(b'\n');
        STDOUT.push(&line);
    }
}
