//! From HTTP/1.1 to WebSocket (RFC 6455 section 4.2): the server refuses, or hands the connection over.

use pounce_config::WebSocketConfig;

use super::super::observation::Observation;
use super::super::websocket::Opening;
use super::link::Http1Link;
use super::tunnel::Upgraded;
use crate::stream::Stream;
use crate::websocket::UpgradeRequest;

impl Http1Link {
    /// The WebSocket settings, if the request that has just arrived asks for a WebSocket.
    pub(super) fn asks_for_websocket(&self) -> Option<WebSocketConfig> {
        self.engine.settings.websocket.filter(|_| self.state().machine.facts().websocket)
    }

    /// Turns the connection into a WebSocket. `None` if the request was refused.
    pub(super) fn upgrade(&self, settings: WebSocketConfig) -> Option<Box<Opening>> {
        let engine = &self.engine;
        let state = &mut *self.state();
        let request = UpgradeRequest::read(state.machine.head(), true, settings.per_message_deflate);
        let request = request.and_then(|request| engine.refuses_websocket().map(|()| request));
        match request {
            Ok(request) => Some(Box::new(Opening {
                carrier: Box::new(Upgraded::new(
                    std::mem::replace(&mut state.stream, Stream::Closed),
                    *state.machine.facts(),
                )),
                input: std::mem::take(&mut state.input),
                output: std::mem::take(&mut state.output),
                head: state.machine.take_head(),
                request,
                observation: std::mem::replace(
                    &mut state.observation,
                    Observation::none(&self.info, self.now.get()),
                ),
            })),
            Err(refusal) => {
                self.answer(state, engine.refuse(refusal.status, refusal.detail), true);
                self.observe_end(state);
                state.end_exchange();
                None
            }
        }
    }
}
