//! One WebSocket: the asynchronous shell around the machines of [`crate::websocket`].
//!
//! It is the same over HTTP/1.1 and HTTP/2: [`Carrier`] is what differs.

mod carrier;
mod link;
mod state;
mod task;
mod wire;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use h2::RecvStream;
use pounce_asgi::{App, ConnectionInfo, RequestHead};

use super::http2::Responder;
use super::input::Input;
use super::task::Upgrade;
use crate::engine::{Engine, Presence};
use crate::output::Output;
use crate::websocket::UpgradeRequest;
use carrier::{Carrier, Http1, Http2};
use link::Link;
use state::State;
use task::Task;

/// Serves a connection that was HTTP/1.1 until now.
pub(super) async fn serve_upgrade<A: App>(
    upgrade: Upgrade,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    let carrier = Carrier::Http1(Http1::new(upgrade.stream, upgrade.facts));
    let state = State::new(carrier, upgrade.input, upgrade.output, upgrade.request, &engine);
    serve(state, &upgrade.head, upgrade.started, info, engine, app).await;
}

/// Serves a stream of HTTP/2 (RFC 8441).
pub(super) async fn serve_stream<A: App>(
    (recv, responder): (RecvStream, Responder),
    request: UpgradeRequest,
    head: RequestHead,
    started: Instant,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    // Its connection is counted already.
    let presence = Presence::of_stream(&engine);
    poll_fn(|cx| {
        presence.set_waker(cx.waker());
        Poll::Ready(())
    })
    .await;
    let carrier = Carrier::Http2(Box::new(Http2::new(recv, responder)));
    let state = State::new(carrier, Input::default(), Output::new(), request, &engine);
    serve(state, &head, started, info, engine, app).await;
}

async fn serve<A: App>(
    state: State,
    head: &RequestHead,
    started: Instant,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    // What is logged at the end of a long life is little.
    let logged = engine.access.is_some().then(|| head.clone());
    let link = Link::new(engine, info, state, started);
    Task::new(link, &*app, head, logged, started).await;
}
