//! One WebSocket: the asynchronous shell around the machines of [`crate::websocket`].
//!
//! It is the same over HTTP/1.1 and HTTP/2: [`Carrier`] is what differs.

mod carrier;
mod ending;
mod link;
mod phase;
mod queue;
mod state;
mod task;
mod wire;

use std::rc::Rc;
use std::time::Instant;

use h2::RecvStream;
use pounce_asgi::{App, ConnectionInfo, RequestHead};

use super::http2::Responder;
use super::input::Input;
use super::upgrade::Upgrade;
use crate::engine::{ConnectionGuard, Engine};
use crate::output::Output;
use crate::websocket::UpgradeRequest;
use carrier::{Carrier, Http1, Http2};
use link::WebSocketLink;
use state::WebSocketState;
use task::Task;

/// What serves a connection that was HTTP/1.1 until now.
pub(super) fn serve_upgrade<A: App>(
    upgrade: Upgrade,
    info: Rc<ConnectionInfo>,
    connection_guard: ConnectionGuard,
    engine: Rc<Engine>,
    app: &A,
) -> Task<A> {
    let carrier = Carrier::Http1(Http1::new(upgrade.stream, upgrade.facts));
    let state = WebSocketState::new(carrier, upgrade.input, upgrade.output, upgrade.request, &engine);
    let link = WebSocketLink::new(engine, info, state, upgrade.started);
    let connection = app.connect(&link.info);
    Task::new(link, (app, &connection), upgrade.head, connection_guard, upgrade.started)
}

/// What serves a stream of HTTP/2 (RFC 8441).
pub(super) fn serve_stream<A: App>(
    (recv, responder): (RecvStream, Responder),
    request: UpgradeRequest,
    head: RequestHead,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    called: (&A, &A::Connection),
) -> Task<A> {
    let now = Instant::now();
    // Its connection is counted already.
    let connection_guard = ConnectionGuard::of_stream(&engine);
    let carrier = Carrier::Http2(Box::new(Http2::new(recv, responder)));
    let state = WebSocketState::new(carrier, Input::default(), Output::new(), request, &engine);
    Task::new(WebSocketLink::new(engine, info, state, now), called, head, connection_guard, now)
}
