//! One connection: the asynchronous shell around the protocol machines.
//!
//! [`serve`] performs the TLS handshake, if any, detects the protocol and serves it.
//!
//! `http1`, `http2` and `websocket` each serve one protocol. `http1` and `http2` carry WebSockets and depend on
//! `websocket`, which does not depend on them.

mod alarm;
mod body_phase;
mod http1;
mod http2;
mod input;
mod monitoring;
mod observation;
mod open;
mod pace;
mod running;
mod server_response;
mod stream;
mod task_waker;
mod timer;
mod waits;
mod websocket;

use std::time::Duration;

pub(crate) use open::serve;
pub(crate) use server_response::server_response;

/// `send()` suspends while more bytes than this wait to be written, and resumes at half.
const HIGH_WATER: u64 = 64 * 1024;

/// How long a closing connection waits for the client to read the last response and close.
const LINGER: Duration = Duration::from_secs(2);

/// How many bytes a client may send meanwhile.
const MAX_LINGER: usize = 1024 * 1024;

/// How long an idle connection of a draining worker waits for one more request.
const LAST_REQUEST: Duration = Duration::from_millis(250);
