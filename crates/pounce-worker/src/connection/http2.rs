//! One connection over HTTP/2: the `h2` crate speaks the protocol, this drives it and the application's calls.
//!
//! [`Connection`] is the connection's task. A request whose application never waits is answered within it; any other
//! has a task of its own, [`StreamTask`], and the exchange's two sides in [`StreamLink`].

mod body;
mod io;
mod response;
mod stream;
mod stream_task;
mod streams;
mod task;
mod tunnel;
mod wire;

use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo};

use super::input::Input;
use crate::engine::Engine;
use crate::stream::Stream;
use task::Connection;

/// Serves a connection to its end. `input` is what was read of it already.
pub(super) async fn serve<A: App>(
    stream: Stream,
    input: Input,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    Connection::new(stream, input, info, engine, app).await;
}
