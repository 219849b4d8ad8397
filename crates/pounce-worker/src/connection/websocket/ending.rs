//! How a WebSocket ends by what the server says: when the worker stops, and where the application accepts nothing.

use std::time::Instant;

use pounce_asgi::Payload;

use super::super::server_response;
use super::phase::{WebSocketEnd, WebSocketPhase};
use super::state::WebSocketState;
use crate::engine::{Engine, RESTARTING};

impl WebSocketState {
    /// The worker stops. A WebSocket that is open is closed, and one that is not accepted yet never will be.
    pub(super) fn restart(&mut self, engine: &Engine, now: Instant) {
        match self.phase {
            WebSocketPhase::Open => self.close(1012, RESTARTING),
            WebSocketPhase::Connecting => {
                self.end.get_or_insert(WebSocketEnd { code: 1012, reason: RESTARTING.to_owned() });
                self.deny(engine, 503, RESTARTING, now);
            }
            // A response that denies is the application's to complete.
            WebSocketPhase::Denying
            | WebSocketPhase::Closing
            | WebSocketPhase::Leaving
            | WebSocketPhase::Gone => {}
        }
    }

    /// Answers with a response of the server's own.
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

    /// The response that denies is complete.
    pub(super) fn denied(&mut self) {
        self.end.get_or_insert(WebSocketEnd { code: 1006, reason: String::new() });
        self.phase = WebSocketPhase::Leaving;
    }
}
