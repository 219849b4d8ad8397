//! One WebSocket: the asynchronous shell around the machines of [`crate::websocket`].
//!
//! HTTP/1.1 and HTTP/2 differ only in the [`Carrier`].

mod carrier;
mod ending;
mod link;
mod phase;
mod queue;
mod state;
mod task;
mod wire;

use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo, RequestHead};

use super::input::Input;
use super::observation::Observation;
use crate::engine::{ConnectionGuard, Engine};
use crate::output::Output;
use crate::websocket::UpgradeRequest;
pub(super) use carrier::Carrier;
use link::WebSocketLink;
use state::WebSocketState;
use task::Task;

/// A request for a WebSocket that goes to the application.
pub(super) struct Opening {
    pub(super) carrier: Box<dyn Carrier>,
    /// Bytes that the client has sent after the request.
    pub(super) input: Input,
    /// Bytes to write before anything else.
    pub(super) output: Output,
    pub(super) head: RequestHead,
    pub(super) request: UpgradeRequest,
    pub(super) observation: Observation,
}

/// Returns the task that serves a WebSocket.
pub(super) fn serve<A: App>(
    opening: Opening,
    info: Rc<ConnectionInfo>,
    connection_guard: ConnectionGuard,
    engine: Rc<Engine>,
    called: (&A, &A::Connection),
) -> Task<A> {
    let Opening { carrier, input, output, head, request, observation } = opening;
    let state = WebSocketState::new(carrier, input, output, request, &engine);
    let link = WebSocketLink::new(engine, info, state, observation.started);
    Task::new(link, called, head, connection_guard, observation)
}
