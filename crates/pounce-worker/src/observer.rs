//! What an observer learns of exchanges: that one has begun, its response's head, its end.

use std::rc::Rc;
use std::time::{Duration, Instant};

use pounce_asgi::{ConnectionInfo, Fields, Peer, RequestHead};

use crate::engine::Engine;

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

/// An exchange as it is told to the observer: each thing once.
#[derive(Debug)]
pub(crate) struct Observation {
    number: u64,
    pub(crate) peer: Rc<Peer>,
    pub(crate) started: Instant,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No request has come, or none that became an exchange.
    Untold,
    Begun,
    Head,
    Over,
}

/// How an exchange ended.
pub(crate) struct End<'a> {
    pub(crate) response_fields: &'a Fields,
    /// The status that was sent.
    pub(crate) status: Option<u16>,
    /// The client left before the response was complete.
    pub(crate) client_left: bool,
    pub(crate) body_bytes: u64,
}

impl Observation {
    /// That of a connection without an exchange.
    pub(crate) fn none(info: &ConnectionInfo, now: Instant) -> Self {
        Self { number: 0, peer: Rc::clone(&info.peer), started: now, stage: Stage::Untold }
    }

    /// An exchange begins.
    pub(crate) fn begin(
        engine: &Engine,
        info: &ConnectionInfo,
        head: &RequestHead,
        started: Instant,
    ) -> Self {
        let begun = Self {
            number: engine.number_exchange(),
            peer: Rc::clone(&info.peer),
            started,
            stage: Stage::Begun,
        };
        if let Some(observer) = &engine.observer {
            observer.begin(begun.number, &ObservedRequest { connection: info, peer: &begun.peer, head });
        }
        begun
    }

    /// The head of the response is on its way.
    pub(crate) fn head(&mut self, engine: &Engine, status: Option<u16>) {
        if let (Some(observer), Some(status), Stage::Begun) = (&engine.observer, status, self.stage) {
            self.stage = Stage::Head;
            observer.head(self.number, status);
        }
    }

    /// The exchange is over.
    pub(crate) fn end(&mut self, engine: &Engine, info: &ConnectionInfo, head: &RequestHead, end: &End<'_>) {
        self.head(engine, end.status);
        let begun = std::mem::replace(&mut self.stage, Stage::Over);
        let (Some(observer), Stage::Begun | Stage::Head) = (&engine.observer, begun) else { return };
        let record = ExchangeRecord {
            request: ObservedRequest { connection: info, peer: &self.peer, head },
            response_fields: end.response_fields,
            status: end.status.filter(|_| !end.client_left).unwrap_or(CLIENT_CLOSED_REQUEST),
            body_bytes: end.body_bytes,
            duration: self.started.elapsed(),
        };
        observer.end(self.number, &record);
    }
}
