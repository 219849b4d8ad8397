//! Several observers of one worker.

use pounce_worker::{ExchangeRecord, ObservedRequest, Observer};

/// All of these as one; `None` if there are none.
pub(crate) fn together(mut observers: Vec<Box<dyn Observer>>) -> Option<Box<dyn Observer>> {
    match observers.len() {
        0 | 1 => observers.pop(),
        _ => Some(Box::new(Several(observers))),
    }
}

struct Several(Vec<Box<dyn Observer>>);

impl Observer for Several {
    fn needs_response_fields(&self) -> bool {
        self.0.iter().any(|observer| observer.needs_response_fields())
    }

    fn begin(&self, number: u64, request: &ObservedRequest<'_>) {
        self.0.iter().for_each(|observer| observer.begin(number, request));
    }

    fn head(&self, number: u64, status: u16) {
        self.0.iter().for_each(|observer| observer.head(number, status));
    }

    fn end(&self, number: u64, record: &ExchangeRecord<'_>) {
        self.0.iter().for_each(|observer| observer.end(number, record));
    }
}
