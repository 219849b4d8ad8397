//! From HTTP/1.1 to WebSocket (RFC 6455 section 4.2): the client is refused, or the connection is handed over.

use std::time::Instant;

use pounce_asgi::RequestHead;

use super::input::Input;
use super::link::Http1Link;
use crate::http1::Facts;
use crate::output::Output;
use crate::settings::WebSocketSettings;
use crate::stream::Stream;
use crate::websocket::UpgradeRequest;

/// A connection whose client has asked for a WebSocket, as HTTP/1.1 leaves it.
pub(crate) struct Upgrade {
    pub(super) stream: Stream,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) facts: Facts,
    pub(super) head: RequestHead,
    pub(super) request: UpgradeRequest,
    pub(super) started: Instant,
}

impl Http1Link {
    /// How WebSockets are served, if the request that has just arrived asks for one.
    pub(super) fn asks_for_websocket(&self) -> Option<WebSocketSettings> {
        self.engine.settings.websocket.filter(|_| self.state().machine.facts().websocket)
    }

    /// What the connection is as a WebSocket. `None` where the client was refused one.
    pub(super) fn upgrade(&self, settings: WebSocketSettings) -> Option<Box<Upgrade>> {
        let (engine, started) = (&self.engine, self.now.get());
        let state = &mut *self.state();
        let request = UpgradeRequest::read(state.machine.head(), true, settings.per_message_deflate);
        let request = request.and_then(|request| engine.refuses_websocket().map(|()| request));
        match request {
            Ok(request) => Some(Box::new(Upgrade {
                stream: std::mem::replace(&mut state.stream, Stream::Closed),
                input: std::mem::take(&mut state.input),
                output: std::mem::take(&mut state.output),
                facts: *state.machine.facts(),
                head: state.machine.take_head(),
                request,
                started,
            })),
            Err(refusal) => {
                self.answer(state, refusal.status, refusal.detail, true);
                self.record(state, started);
                state.end_exchange(engine.phase());
                None
            }
        }
    }
}
