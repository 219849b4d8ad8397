//! Carries a WebSocket: an upgraded HTTP/1.1 connection (RFC 6455), or an HTTP/2 stream (RFC 8441).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use crate::engine::Engine;
use crate::output::Output;

/// Carries a WebSocket, from its request on.
pub(in crate::connection) trait Carrier {
    /// Reads into `buffer`; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `slices`. After `Pending`, the next call must begin with the same bytes.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Shuts down the sending side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the connection properly before it is dropped, as far as possible without waiting.
    fn close(&mut self) {}

    /// Bytes handed on towards the client.
    fn sent(&self) -> u64;

    /// Bytes taken by the client, relative to an arbitrary start: only differences are meaningful.
    fn taken(&self) -> i64;

    /// The status of an accepting response.
    fn accepted_status(&self) -> u16;

    /// Accepts, with `fields` in the response.
    fn accept(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<(), SendError>;

    /// Begins a denial response.
    fn start(&mut self, head: &ResponseHead) -> Result<(), SendError>;

    /// Sends a piece of the denial's body. True if it was the last.
    fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<bool, SendError>;

    /// Whether the head of a denial has been sent.
    fn is_head_sent(&self) -> bool;

    /// Breaks a denial off, visibly for the client.
    fn cut_short(&mut self) {}

    /// Bytes of a denial that wait for the client.
    fn waiting(&self) -> u64 {
        0
    }

    /// Hands on a denial as far as the client's windows allow.
    fn poll_denial(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Drops a denial of which nothing has been sent.
    fn restart(&mut self);
}

/// The carrier of a WebSocket that has ended.
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
