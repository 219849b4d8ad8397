//! How an exchange ends: answered by the server where the application did not, and told to the observer.

use pounce_asgi::{Outcome, Payload};

use super::super::observation::End;
use super::super::server_response;
use super::link::{Http1Link, Http1State};
use crate::engine::WorkerPhase;
use crate::http1::Fault;

impl Http1Link {
    /// Sees to it that a response is there, or visibly not, once a call has returned before its end.
    pub(super) fn conclude(&self, state: &mut Http1State, outcome: Outcome) {
        if state.gone {
            return;
        }
        if outcome == Outcome::Returned && state.disconnect_told {
            // It was told that nobody waits for an answer, or for the rest of one.
            state.client_left = true;
            state.gone = true;
            state.closing = true;
            return;
        }
        if state.encoder.restart() {
            if outcome == Outcome::Returned {
                tracing::error!(
                    target: "pounce",
                    "the application returned without a complete response to {} {}",
                    state.machine.head().method().escape_ascii(),
                    state.machine.head().raw_path().escape_ascii(),
                );
            }
            self.answer(state, 500, "Internal Server Error", false);
            return;
        }
        if outcome == Outcome::Returned {
            tracing::error!(
                target: "pounce",
                "the application returned in the middle of its response to {} {}; the connection is closed",
                state.machine.head().method().escape_ascii(),
                state.machine.head().raw_path().escape_ascii(),
            );
        }
        // The client must be able to tell: no last chunk, or fewer bytes than announced.
        state.gone = true;
        state.close_lingering();
    }

    /// Answers with a response of the server's own.
    pub(super) fn answer(&self, state: &mut Http1State, status: u16, detail: &str, close: bool) {
        let close = close || self.engine.phase() != WorkerPhase::Serving || state.body_costs_connection();
        let (head, body) = server_response(status, detail);
        state.response_fields.clear();
        let sent = state.encoder.start(&head).and_then(|()| {
            self.engine.own_fields.with_context(self.now.get(), close, |context| {
                let payload = Payload::Borrowed(body.as_bytes());
                state.encoder.body(payload, false, context, &mut state.output)
            })
        });
        debug_assert_eq!(sent, Ok(()), "the server's own response is valid");
    }

    /// Answers a fault of the client's, if that can still be done, and ends the connection.
    pub(super) fn refuse(&self, state: &mut Http1State, fault: Fault) {
        if state.encoder.restart() {
            self.answer(state, fault.status(), &fault.to_string(), true);
        }
        state.gone = true;
        state.closing = true;
        state.linger = true;
    }

    /// Tells the observer that the exchange is over.
    pub(super) fn observe_end(&self, state: &mut Http1State) {
        let end = End {
            response_fields: &state.response_fields,
            status: state.encoder.status(),
            client_left: state.client_left && !state.encoder.is_complete(),
            body_bytes: state.encoder.body_sent(),
        };
        state.observation.end(&self.engine, &self.info, state.machine.head(), &end);
    }
}
