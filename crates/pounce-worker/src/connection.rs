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
mod running;
mod task;
mod timer;
mod upgrade;
mod websocket;
mod wire;

pub(crate) use open::serve;
