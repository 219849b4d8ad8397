//! One connection over HTTP/2: the `h2` crate speaks the protocol; this module drives it and the application's calls.
//!
//! [`Connection`] is the connection's task. It answers a request itself if the application never waits; any other
//! request gets its own task, see [`stream`](super::stream).

mod io;
mod streams;
mod task;
mod transport;

use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo};

use super::input::Input;
use crate::engine::Engine;
use crate::stream::Stream;
use task::Connection;

/// Serves a connection to its end. `input` holds the bytes read so far.
pub(super) async fn serve<A: App>(
    stream: Stream,
    input: Input,
    info: Rc<ConnectionInfo>,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    Connection::new(stream, input, info, engine, app).await;
}
