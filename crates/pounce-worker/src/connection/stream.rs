//! One stream of a version of HTTP that has streams: an exchange, or a tunnel for a WebSocket.
//!
//! What a stream is made of is a [`Transport`]'s business. [`StreamTask`] drives a stream whose application waits, or whose
//! response does; the exchange's two sides are in [`StreamLink`].

mod body;
mod link;
mod request_body;
mod responder;
mod task;
mod transport;
mod tunnel;
mod wire;

pub(super) use link::{StreamLink, StreamRequest};
pub(super) use responder::Responder;
pub(super) use task::StreamTask;
pub(super) use transport::{Receive, Reset, Respond, SendBody, StreamClosed, Transport};
pub(super) use tunnel::Tunnel;
