//! One connection over HTTP/1.1.
//!
//! The connection's task and the application's exchange share [`Http1Link`]: socket, machine, buffers.
//! [`ConnectionTask`] is the future that drives it and the application's call side by side.

mod ending;
mod io;
mod link;
mod state;
mod task;
mod tunnel;
mod upgrade;
mod wait;
mod wire;

pub(super) use link::Http1Link;
pub(super) use task::{ConnectionTask, Ended};
