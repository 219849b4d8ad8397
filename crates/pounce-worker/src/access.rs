//! The record of an exchange that is over.

use std::time::Duration;

use pounce_asgi::{ConnectionInfo, Fields, RequestHead};

/// Stands for the status where a client left before its response was complete, as nginx has it.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What the log tells, given the status that was sent and whether the client left before the response was complete.
pub(crate) fn logged_status(sent: Option<u16>, client_left: bool) -> u16 {
    sent.filter(|_| !client_left).unwrap_or(CLIENT_CLOSED_REQUEST)
}

/// One finished exchange, for a log line.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    /// The connection that the request came on.
    pub connection: &'a ConnectionInfo,
    /// What was asked.
    pub head: &'a RequestHead,
    /// The application's response fields, if [`AccessLog::needs_response_fields`].
    pub response_fields: &'a Fields,
    /// The status that was sent, or [`CLIENT_CLOSED_REQUEST`].
    pub status: u16,
    /// Bytes of body that were sent, before any transfer coding.
    pub body_bytes: u64,
    /// From the complete request head to the complete response.
    pub duration: Duration,
}

/// Where finished exchanges are told. Called on the hot path: it must not block.
pub trait AccessLog {
    /// Whether records must have the response's fields, which costs a copy of them.
    fn needs_response_fields(&self) -> bool {
        false
    }

    /// Takes note of one exchange.
    fn record(&self, record: &AccessRecord<'_>);
}
