//! What carries a WebSocket: a connection of HTTP/1.1 that was upgraded (RFC 6455), or a stream of HTTP/2 (RFC 8441).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use super::super::http2::{Body, Responder};
use crate::engine::Engine;
use crate::http1::{Facts, ResponseEncoder, field, status_line};
use crate::output::Output;
use crate::stream::Stream;

/// How much is handed on at once.
const WRITE: usize = 64 * 1024;

/// What carries a WebSocket.
pub(super) enum Carrier {
    Http1(Http1),
    Http2(Box<Http2>),
    /// Nothing any more.
    Closed,
}

/// A connection that was upgraded, or will be.
pub(super) struct Http1 {
    stream: Stream,
    /// For a response that denies the upgrade.
    encoder: Option<Box<ResponseEncoder>>,
}

impl Http1 {
    pub(super) fn new(stream: Stream, facts: Facts) -> Self {
        let mut encoder = Box::new(ResponseEncoder::default());
        encoder.begin(facts);
        Self { stream, encoder: Some(encoder) }
    }
}

/// A stream that is a tunnel, or will be.
pub(super) struct Http2 {
    recv: RecvStream,
    /// What has come and did not fit what the caller gave.
    piece: Bytes,
    responder: Responder,
    body: Option<Body>,
    /// The response that denies is not complete, and never will be.
    is_cut_short: bool,
    /// Bytes that were taken from a caller and are not handed on yet: the caller gives them again until they are.
    accepted: usize,
}

impl Http2 {
    pub(super) fn new(recv: RecvStream, responder: Responder) -> Self {
        Self { recv, piece: Bytes::new(), responder, body: None, is_cut_short: false, accepted: 0 }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.piece.is_empty() {
            match std::task::ready!(self.recv.poll_data(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(0)),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        // A stream that is closed by now has nothing to give back.
        let _ = self.recv.flow_control().release_capacity(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // A response that denies goes its own way.
        let body = self.body.as_mut().or(self.responder.body.as_mut());
        let Some(body) = body else { return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum())) };
        if self.accepted == 0 {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(WRITE).collect();
            self.accepted = bytes.len();
            body.push(Payload::Shared(bytes.into()));
        }
        std::task::ready!(body.poll_pump(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.accepted)))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(body) = self.body.as_mut().or(self.responder.body.as_mut()) else {
            return Poll::Ready(Ok(()));
        };
        if self.is_cut_short {
            std::task::ready!(body.poll_pump(cx))?;
            return self.responder.poll_break_off(cx).map(Ok);
        }
        body.end(None, false);
        body.poll_pump(cx)
    }
}

impl Carrier {
    /// Reads into `buffer`; 0 is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(http1) => http1.stream.poll_read(cx, buffer),
            Self::Http2(http2) => http2.poll_read(cx, buffer),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }

    /// Writes some of `slices`. Where it is pending, the same bytes must be given again, first.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(http1) => http1.stream.poll_write(cx, slices),
            Self::Http2(http2) => http2.poll_write(cx, slices),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http1(http1) => http1.stream.poll_shutdown(cx),
            Self::Http2(http2) => http2.poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn close(&mut self) {
        if let Self::Http1(http1) = self {
            http1.stream.close();
        }
        *self = Self::Closed;
    }

    /// The status of a response that accepts.
    pub(super) fn accepted_status(&self) -> u16 {
        if matches!(self, Self::Http2(_)) { 200 } else { 101 }
    }

    /// Accepts, with these fields.
    pub(super) fn accept(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<(), SendError> {
        match self {
            Self::Http1(http1) => {
                let mut head = Vec::with_capacity(256);
                status_line(&mut head, 101);
                let (mut has_date, mut has_server) = (false, false);
                for (name, value) in fields.iter() {
                    has_date |= name == b"date";
                    has_server |= name == b"server";
                    field(&mut head, name, value);
                }
                engine.own_fields.with_context(now, false, |context| {
                    let date = if has_date { b"" } else { context.date };
                    let server = if has_server { b"" } else { context.server };
                    for lines in [date, server, context.extra, b"\r\n"] {
                        head.extend_from_slice(lines);
                    }
                });
                output.extend(&head);
                http1.encoder = None;
            }
            Self::Http2(http2) => http2.body = Some(http2.responder.open(fields, engine, now)?),
            Self::Closed => {}
        }
        Ok(())
    }

    /// Begins a response that denies.
    pub(super) fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        match self {
            Self::Http1(Http1 { encoder: Some(encoder), .. }) => encoder.start(head),
            Self::Http2(http2) => http2.responder.start(head),
            _ => Err(SendError::Accepted("websocket.http.response.start")),
        }
    }

    /// Sends a piece of its body. True if that was the last.
    pub(super) fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<bool, SendError> {
        match self {
            Self::Http1(Http1 { encoder: Some(encoder), .. }) => {
                engine
                    .own_fields
                    .with_context(now, true, |context| encoder.body(data, more, context, output))?;
                Ok(encoder.is_complete())
            }
            Self::Http2(http2) => {
                http2.responder.body(data, more, engine, now)?;
                if let Some(body) = &mut http2.responder.body {
                    body.pump().map_err(|_| SendError::Disconnected)?;
                }
                Ok(http2.responder.is_complete())
            }
            _ => Err(SendError::Accepted("websocket.http.response.body")),
        }
    }

    /// Whether a response that denies is on its way.
    pub(super) fn is_head_sent(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.encoder.as_ref().is_some_and(|encoder| encoder.is_head_sent()),
            Self::Http2(http2) => http2.responder.is_head_sent(),
            Self::Closed => false,
        }
    }

    /// A response that denies ends here, and the client must be able to tell.
    pub(super) fn cut_short(&mut self) {
        if let Self::Http2(http2) = self {
            http2.is_cut_short = true;
        }
    }

    /// Bytes of a response that denies which wait for the client.
    pub(super) fn waiting(&self) -> u64 {
        match self {
            Self::Http2(http2) if http2.body.is_none() => http2.responder.waiting(),
            _ => 0,
        }
    }

    /// Hands such a response on as far as the client lets it.
    pub(super) fn poll_denial(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http2(http2) if http2.body.is_none() && http2.responder.waiting() > 0 => {
                http2.responder.body.as_mut().map_or(Poll::Ready(Ok(())), |body| body.poll_pump(cx))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Forgets a response of which nothing has gone out.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Http1(Http1 { encoder: Some(encoder), .. }) => drop(encoder.restart()),
            Self::Http2(http2) => drop(http2.responder.restart()),
            _ => {}
        }
    }
}
