//! One stream, in a version of HTTP that has streams: an exchange, or a tunnel for a WebSocket.
//!
//! A [`Transport`] provides the stream. [`StreamTask`] drives a stream whose application or response waits;
//! [`StreamLink`] has the two sides of the exchange.

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
