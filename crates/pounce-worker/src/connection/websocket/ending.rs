//! How the server ends a WebSocket: when the worker stops, or when it denies the request.

use std::time::Instant;

use pounce_asgi::Payload;

use super::super::server_response;
use super::phase::{WebSocketEnd, WebSocketPhase};
use super::state::WebSocketState;
use crate::engine::{Engine, RESTARTING};

impl WebSocketState {
    /// For when the worker stops: closes an open WebSocket, and denies one not accepted yet.
    pub(super) fn restart(&mut self, engine: &Engine, now: Instant) {
        match self.phase {
            WebSocketPhase::Open => self.close(1012, RESTARTING),
            WebSocketPhase::Connecting => {
                self.end.get_or_insert(WebSocketEnd { code: 1012, reason: RESTARTING.to_owned() });
                self.deny(engine, 503, RESTARTING, now);
            }
            // The application completes a denial that it has begun.
            WebSocketPhase::Denying
            | WebSocketPhase::Closing
            | WebSocketPhase::Leaving
            | WebSocketPhase::Gone => {}
        }
    }

    /// Denies with a response that the server makes.
    pub(super) fn deny(&mut self, engine: &Engine, status: u16, detail: &str, now: Instant) {
        self.carrier.restart();
        let (head, body) = server_response(status, detail);
        let sent = self.carrier.start(&head).and_then(|()| {
            self.carrier.body(Payload::Borrowed(body.as_bytes()), false, engine, now, &mut self.output)
        });
        if sent.is_err() {
            return self.lose();
        }
        self.status = Some(status);
        self.sent += body.len() as u64;
        self.response_head = head;
        self.denied();
    }

    /// Notes that the denial response has ended.
    pub(super) fn denied(&mut self) {
        self.end.get_or_insert(WebSocketEnd { code: 1006, reason: String::new() });
        self.phase = WebSocketPhase::Leaving;
    }
}
