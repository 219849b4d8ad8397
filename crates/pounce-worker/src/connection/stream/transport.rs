//! The streams of a version of HTTP, as traits.
//!
//! HTTP/2 implements them over the `h2` crate. Errors carry no reason: any error makes a stream unusable, and the
//! connection knows the reason.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};

/// The stream is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub(in crate::connection) struct StreamClosed;

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connection) enum Reset {
    /// The client is too slow, or its body is refused in the middle of the response.
    Cancel,
    /// The response cannot be completed.
    InternalError,
}

/// The two halves of a stream.
pub(in crate::connection) trait Transport: 'static {
    /// The request's body.
    type Receive: Receive;
    /// The response.
    type Respond: Respond;
}

/// The request's body.
pub(in crate::connection) trait Receive {
    /// The next piece; `None` at the end.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamClosed>>>;

    /// Whether nothing more comes.
    fn is_end_stream(&self) -> bool;

    /// Lets the client send `count` bytes more.
    fn release_capacity(&mut self, count: usize);
}

/// The response, up to its head.
pub(in crate::connection) trait Respond {
    /// The response's body.
    type Body: SendBody;

    /// The number of the stream.
    fn stream_id(&self) -> u64;

    /// Sends an informational response.
    fn send_informational(&mut self, response: Response<()>);

    /// Sends the head; with `end`, nothing follows it.
    fn send_response(&mut self, response: Response<()>, end: bool) -> Result<Self::Body, StreamClosed>;

    /// Resets the stream.
    fn send_reset(&mut self, reset: Reset);

    /// Ready when the client has reset the stream, or has gone.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The response's body, within what the client's windows let through.
pub(in crate::connection) trait SendBody {
    /// Asks for room for `count` bytes.
    fn reserve_capacity(&mut self, count: usize);

    /// How many bytes can be sent now.
    fn capacity(&self) -> usize;

    /// Ready when requested room is available, or the stream is closed.
    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Sends a piece; with `end`, nothing follows it.
    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamClosed>;

    /// Sends trailer fields, which end the stream.
    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), StreamClosed>;

    /// Resets the stream.
    fn send_reset(&mut self, reset: Reset);

    /// Ready when the client has reset the stream, or has gone.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
