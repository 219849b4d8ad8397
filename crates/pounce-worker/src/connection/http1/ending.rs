//! How an exchange ends: the server answers where the application did not, and reports to the observer.

use pounce_asgi::{Outcome, Payload, ResponseHead};

use super::super::observation::End;
use super::super::running::CallEnd;
use super::super::server_response;
use super::link::Http1Link;
use super::state::{ClientState, Ending, Http1State};
use crate::engine::{REQUEST_TOO_LONG, WorkerPhase};
use crate::http1::Fault;

impl Http1Link {
    /// Handles a call that returned before its response was complete: answers for it, or makes the break visible.
    pub(super) fn conclude(&self, state: &mut Http1State, end: CallEnd) {
        if state.is_gone() {
            return;
        }
        if end == CallEnd::Ended(Outcome::Returned) && state.disconnect_told {
            // The application knew of the disconnect, so it owes no response.
            state.client = ClientState::Left;
            state.end(Ending::Close);
            return;
        }
        if end == CallEnd::TimedOut {
            let head = state.machine.head();
            self.engine.log_request_timeout(head.method(), head.raw_path());
            if state.encoder.restart() {
                self.answer(state, server_response(503, REQUEST_TOO_LONG), false);
                return;
            }
        }
        if state.encoder.restart() {
            if end == CallEnd::Ended(Outcome::Returned) {
                tracing::error!(
                    target: "pounce",
                    "the application returned without a complete response to {} {}",
                    state.machine.head().method().escape_ascii(),
                    state.machine.head().raw_path().escape_ascii(),
                );
            }
            self.answer(state, server_response(500, "Internal Server Error"), false);
            return;
        }
        if end == CallEnd::Ended(Outcome::Returned) {
            tracing::error!(
                target: "pounce",
                "the application returned in the middle of its response to {} {}; the connection is closed",
                state.machine.head().method().escape_ascii(),
                state.machine.head().raw_path().escape_ascii(),
            );
        }
        // The client can tell by the missing last chunk, or by fewer bytes than announced.
        state.client = ClientState::CutOff;
        state.end(Ending::Linger);
    }

    /// Answers with a response that the server makes.
    pub(super) fn answer(
        &self,
        state: &mut Http1State,
        (mut head, body): (ResponseHead, String),
        close: bool,
    ) {
        state.observation.add_id(&self.engine, &mut head);
        let close = close || self.engine.phase() != WorkerPhase::Serving || state.body_costs_connection();
        state.response_fields.clear();
        let sent = state.encoder.start(&head).and_then(|()| {
            self.engine.own_fields.with_context(self.now.get(), close, |context| {
                let payload = Payload::Borrowed(body.as_bytes());
                state.encoder.body(payload, false, context, &mut state.output)
            })
        });
        debug_assert_eq!(sent, Ok(()), "the server's own response is valid");
    }

    /// Answers a client's fault, if no response has begun, and ends the connection.
    pub(super) fn refuse(&self, state: &mut Http1State, fault: Fault) {
        if state.encoder.restart() {
            self.answer(state, self.engine.refuse(fault.status(), &fault.to_string()), true);
        }
        state.client = ClientState::CutOff;
        state.end(Ending::Linger);
    }

    /// Reports the end of the exchange to the observer.
    pub(super) fn observe_end(&self, state: &mut Http1State) {
        let end = End {
            response_fields: &state.response_fields,
            status: state.encoder.status(),
            is_websocket: false,
            client_left: state.client == ClientState::Left && !state.encoder.is_complete(),
            body_bytes: state.encoder.body_sent(),
        };
        state.observation.end(&self.engine, &self.info, state.machine.head(), &end);
    }
}
