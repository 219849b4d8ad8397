//! Observing exchanges: their beginning, the head of the response, their end.

use std::time::Duration;

use pounce_asgi::{ConnectionInfo, Fields, Peer, RequestHead};

use crate::trace_context::TraceContext;

/// The status recorded if a client leaves before its response is complete, as in nginx.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Observes the exchanges of one worker, on the worker's thread and on the hot path: it must not block.
///
/// Each exchange has a number, unique in the worker. It begins once and ends once, unless the worker aborts it; the
/// head of the response, if any, comes in between. A malformed request (answered with 400, for example) is not an
/// exchange.
pub trait Observer {
    /// Whether [`end`](Self::end) needs the response's fields, which costs a copy of them.
    fn needs_response_fields(&self) -> bool {
        false
    }

    /// A request has arrived, possibly for a WebSocket. It now goes to the application, unless the server refuses it.
    fn begin(&self, number: u64, request: &ObservedRequest<'_>) {
        let _ = (number, request);
    }

    /// The head of the response has been sent. The status of an accepted WebSocket is 101, or 200 over HTTP/2.
    fn head(&self, number: u64, status: u16) {
        let _ = (number, status);
    }

    /// The exchange is over: its response is complete or has broken off.
    fn end(&self, number: u64, record: &ExchangeRecord<'_>);
}

/// A request, as passed to an [`Observer`].
#[derive(Debug, Clone, Copy)]
pub struct ObservedRequest<'a> {
    /// The connection of the request.
    pub connection: &'a ConnectionInfo,
    /// The client's and the server's addresses.
    pub peer: &'a Peer,
    /// Its id, if requests have one.
    pub request_id: Option<&'a str>,
    /// The trace that it belongs to, if requests are traced.
    pub trace: Option<&'a TraceContext>,
    /// The head of the request.
    pub head: &'a RequestHead,
}

/// One finished exchange.
#[derive(Debug)]
pub struct ExchangeRecord<'a> {
    /// The request.
    pub request: ObservedRequest<'a>,
    /// The application's response fields, if [`Observer::needs_response_fields`].
    pub response_fields: &'a Fields,
    /// The status sent, or [`CLIENT_CLOSED_REQUEST`].
    pub status: u16,
    /// Bytes of the body sent, before any transfer coding.
    pub body_bytes: u64,
    /// From the complete request head to the complete response.
    pub duration: Duration,
}
