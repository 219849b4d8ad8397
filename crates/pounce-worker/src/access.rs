//! What is known of an exchange once it is over.

use std::time::Duration;

use pounce_asgi::{ConnectionInfo, RequestHead};

/// One finished exchange, for a log line.
#[derive(Debug)]
pub struct AccessRecord<'a> {
    /// Who asked.
    pub connection: &'a ConnectionInfo,
    /// What was asked.
    pub head: &'a RequestHead,
    /// The status that was sent.
    pub status: u16,
    /// Bytes of body that were sent, before any transfer coding.
    pub body_bytes: u64,
    /// From the complete request head to the complete response.
    pub duration: Duration,
}

/// Where finished exchanges are told. Called on the hot path: it must not block.
pub trait AccessLog {
    /// Takes note of one exchange.
    fn record(&self, record: &AccessRecord<'_>);
}
