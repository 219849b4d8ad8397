//! One WebSocket: the asynchronous shell around the machines of [`crate::websocket`].
//!
//! It is the same over HTTP/1.1 and HTTP/2: [`Carrier`] is what differs.

mod carrier;
mod link;
mod state;
mod task;
mod wire;

use std::rc::Rc;
use std::time::Instant;

use pounce_asgi::{App, ConnectionInfo, RequestHead};

use super::task::Upgrade;
use crate::engine::Engine;
use carrier::{Carrier, Http1};
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
