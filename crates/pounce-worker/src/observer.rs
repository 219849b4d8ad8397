//! What an observer learns of exchanges: that one has begun, its response's head, its end.

use std::time::Duration;

use pounce_asgi::{ConnectionInfo, Fields, Peer, RequestHead};

/// Stands for the status where a client left before its response was complete, as nginx has it.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Learns of the exchanges of one worker, on the worker's thread and on the hot path: it must not block.
///
/// Each exchange has a number of its own among those of the worker. It begins once and ends once, unless the worker aborts
/// what still runs; the head of its response, if there is one, comes in between. Requests that are no requests (answered
/// 400, say) are no exchanges.
pub trait Observer {
    /// Whether [`end`](Self::end) must have the response's fields, which costs a copy of them.
    fn needs_response_fields(&self) -> bool {
        false
    }

    /// A request, or the request for a WebSocket, is about to be handed to the application.
    fn begin(&self, number: u64, request: &ObservedRequest<'_>) {
        let _ = (number, request);
    }

    /// The head of the response is on its way, with this status: 101, or 200 over HTTP/2, for a WebSocket that is accepted.
    fn head(&self, number: u64, status: u16) {
        let _ = (number, status);
    }

    /// The exchange is over: its response is complete, or will never be.
    fn end(&self, number: u64, record: &ExchangeRecord<'_>);
}

/// A request, as an [`Observer`] learns of it.
#[derive(Debug, Clone, Copy)]
pub struct ObservedRequest<'a> {
    /// The connection that the request came on.
    pub connection: &'a ConnectionInfo,
    /// Who asks.
    pub peer: &'a Peer,
    /// What was asked.
    pub head: &'a RequestHead,
}

/// One finished exchange.
#[derive(Debug)]
pub struct ExchangeRecord<'a> {
    /// What was asked, and by whom.
    pub request: ObservedRequest<'a>,
    /// The application's response fields, if [`Observer::needs_response_fields`].
    pub response_fields: &'a Fields,
    /// The status that was sent, or [`CLIENT_CLOSED_REQUEST`].
    pub status: u16,
    /// Bytes of body that were sent, before any transfer coding.
    pub body_bytes: u64,
    /// From the complete request head to the complete response.
    pub duration: Duration,
}
