//! The access log: a line of stdout for each response, written in batches off the hot path.

mod format;
mod writer;

use std::cell::RefCell;

use pounce_config::AccessLogFormat;
use pounce_worker::AccessRecord;

use format::Format;
pub(crate) use writer::{LAST_FLUSH, Writer};

/// Formats records and hands the lines to a [`Writer`].
pub(crate) struct AccessLog {
    format: Format,
    writer: Writer,
    line: RefCell<Vec<u8>>,
}

impl AccessLog {
    pub(crate) fn new(format: &AccessLogFormat, writer: Writer) -> Self {
        Self { format: Format::new(format), writer, line: RefCell::default() }
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
        self.writer.push(&line);
    }
}
