//! One connection: the asynchronous shell around the protocol machines.
//!
//! [`serve`] makes the handshake of TLS where there is one, finds out which protocol is spoken, and speaks it.
//!
//! Over HTTP/1.1, [`Link`] is what the connection's task and the application's exchange share: socket, machine,
//! buffers. [`ConnectionTask`] is the future that drives it and the application's call side by side.

mod alarm;
mod ending;
mod http2;
mod input;
mod io;
mod link;
mod open;
mod pace;
mod running;
mod task;
mod timer;
mod upgrade;
mod websocket;
mod wire;

use std::time::Duration;

pub(crate) use ending::server_response;
pub(crate) use open::serve;

/// How long a closing connection waits for the client to have read our last response.
const LINGER: Duration = Duration::from_secs(2);

/// How much a client may still send meanwhile.
const MAX_LINGER: usize = 1024 * 1024;

/// How long a connection that was used a moment ago waits for one more request when the worker drains.
const LAST_REQUEST: Duration = Duration::from_millis(250);
