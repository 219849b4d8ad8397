//! One connection: the asynchronous shell around the protocol machines.
//!
//! [`serve`] makes the handshake of TLS where there is one, finds out which protocol is spoken, and speaks it.
//!
//! `http1`, `http2` and `websocket` each speak one protocol. A WebSocket is carried by either of the other two, which
//! know it; it does not know them.

mod alarm;
mod http1;
mod http2;
mod input;
mod observation;
mod open;
mod pace;
mod running;
mod server_response;
mod timer;
mod websocket;

use std::time::Duration;

pub(crate) use open::serve;
pub(crate) use server_response::server_response;

/// From this many waiting bytes on, sending suspends; it goes on when half of them are written.
const HIGH_WATER: u64 = 64 * 1024;

/// How long a closing connection waits for the client to have read our last response.
const LINGER: Duration = Duration::from_secs(2);

/// How much a client may still send meanwhile.
const MAX_LINGER: usize = 1024 * 1024;

/// How long a connection that was used a moment ago waits for one more request when the worker drains.
const LAST_REQUEST: Duration = Duration::from_millis(250);
