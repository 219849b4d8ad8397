//! What carries a WebSocket: a connection of HTTP/1.1 that was upgraded (RFC 6455), or a stream of HTTP/2 (RFC 8441).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use crate::engine::Engine;
use crate::output::Output;

/// What carries a WebSocket, from the request that asks for one on.
pub(in crate::connection) trait Carrier {
    /// Reads into `buffer`; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `slices`. Where it is pending, the same bytes must be given again, first.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Tells the client that nothing more comes.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the connection properly before it is dropped, as far as that takes no waiting.
    fn close(&mut self) {}

    /// Bytes that were handed on to the client.
    fn sent(&self) -> u64;

    /// Those that the client has taken, less what there may have been before: what differences are made of.
    fn taken(&self) -> i64;

    /// The status of a response that accepts.
    fn accepted_status(&self) -> u16;

    /// Accepts, with these fields.
    fn accept(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<(), SendError>;

    /// Begins a response that denies.
    fn start(&mut self, head: &ResponseHead) -> Result<(), SendError>;

    /// Sends a piece of its body. True if that was the last.
    fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<bool, SendError>;

    /// Whether a response that denies is on its way.
    fn is_head_sent(&self) -> bool;

    /// A response that denies ends here, and the client must be able to tell.
    fn cut_short(&mut self) {}

    /// Bytes of a response that denies which wait for the client.
    fn waiting(&self) -> u64 {
        0
    }

    /// Hands such a response on as far as the client lets it.
    fn poll_denial(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Forgets a response of which nothing has gone out.
    fn restart(&mut self);
}

/// Nothing carries it any more.
pub(super) struct Closed;

impl Carrier for Closed {
    fn poll_read(&mut self, _cx: &mut Context<'_>, _buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, _slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_shutdown(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn sent(&self) -> u64 {
        0
    }

    fn taken(&self) -> i64 {
        0
    }

    fn accepted_status(&self) -> u16 {
        101
    }

    fn accept(&mut self, _: &Fields, _: &Engine, _: Instant, _: &mut Output) -> Result<(), SendError> {
        Ok(())
    }

    fn start(&mut self, _: &ResponseHead) -> Result<(), SendError> {
        Err(SendError::Accepted("websocket.http.response.start"))
    }

    fn body(
        &mut self,
        _: Payload<'_>,
        _: bool,
        _: &Engine,
        _: Instant,
        _: &mut Output,
    ) -> Result<bool, SendError> {
        Err(SendError::Accepted("websocket.http.response.body"))
    }

    fn is_head_sent(&self) -> bool {
        false
    }

    fn restart(&mut self) {}
}
