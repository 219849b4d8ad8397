//! One exchange as it is told to the worker's observer: each thing once, whatever carries the exchange.

use std::rc::Rc;
use std::time::Instant;

use pounce_asgi::{ConnectionInfo, Fields, Peer, RequestHead};

use crate::engine::Engine;
use crate::observer::{CLIENT_CLOSED_REQUEST, ExchangeRecord, ObservedRequest};

/// An exchange as it is told to the observer: each thing once.
#[derive(Debug)]
pub(super) struct Observation {
    number: u64,
    pub(super) peer: Rc<Peer>,
    pub(super) started: Instant,
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
pub(super) struct End<'a> {
    pub(super) response_fields: &'a Fields,
    /// The status that was sent.
    pub(super) status: Option<u16>,
    /// The client left before the response was complete.
    pub(super) client_left: bool,
    pub(super) body_bytes: u64,
}

impl Observation {
    /// That of a connection without an exchange.
    pub(super) fn none(info: &ConnectionInfo, now: Instant) -> Self {
        Self { number: 0, peer: Rc::clone(&info.peer), started: now, stage: Stage::Untold }
    }

    /// An exchange begins.
    pub(super) fn begin(
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
    pub(super) fn head(&mut self, engine: &Engine, status: Option<u16>) {
        if let (Some(observer), Some(status), Stage::Begun) = (&engine.observer, status, self.stage) {
            self.stage = Stage::Head;
            observer.head(self.number, status);
        }
    }

    /// The exchange is over.
    pub(super) fn end(&mut self, engine: &Engine, info: &ConnectionInfo, head: &RequestHead, end: &End<'_>) {
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
