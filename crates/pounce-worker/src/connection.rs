//! One connection: the asynchronous shell around the HTTP/1.1 machine.
//!
//! [`Link`] is what the connection's task and the application's exchange share: socket, machine, buffers.
//! [`ConnectionTask`] is the future that drives it and the application's call side by side.

mod ending;
mod input;
mod io;
mod link;
mod task;
mod timer;
mod wire;

pub(crate) use link::Link;
pub(crate) use task::ConnectionTask;
