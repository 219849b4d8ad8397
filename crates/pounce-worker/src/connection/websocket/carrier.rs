//! What carries a WebSocket: a connection of HTTP/1.1 that was upgraded (RFC 6455).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use crate::http1::{Facts, ResponseContext, ResponseEncoder, field, status_line};
use crate::output::Output;
use crate::stream::Stream;

/// What carries a WebSocket.
#[derive(Debug)]
pub(super) enum Carrier {
    Http1(Http1),
    /// Nothing any more.
    Closed,
}

/// A connection that was upgraded, or will be.
#[derive(Debug)]
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

impl Carrier {
    /// Reads into `buffer`; 0 is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(http1) => http1.stream.poll_read(cx, buffer),
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
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http1(http1) => http1.stream.poll_shutdown(cx),
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
        101
    }

    /// Accepts, with these fields.
    pub(super) fn accept(&mut self, fields: &Fields, context: ResponseContext<'_>, output: &mut Output) {
        match self {
            Self::Http1(http1) => {
                let mut head = Vec::with_capacity(256);
                status_line(&mut head, 101);
                for (name, value) in fields.iter() {
                    field(&mut head, name, value);
                }
                for lines in [context.date, context.server, context.extra, b"\r\n"] {
                    head.extend_from_slice(lines);
                }
                output.extend(&head);
                http1.encoder = None;
            }
            Self::Closed => {}
        }
    }

    /// Begins a response that denies.
    pub(super) fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        match self {
            Self::Http1(Http1 { encoder: Some(encoder), .. }) => encoder.start(head),
            _ => Err(SendError::Accepted("websocket.http.response.start")),
        }
    }

    /// Sends a piece of its body. True if that was the last.
    pub(super) fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
    ) -> Result<bool, SendError> {
        match self {
            Self::Http1(Http1 { encoder: Some(encoder), .. }) => {
                encoder.body(data, more, context, output)?;
                Ok(encoder.is_complete())
            }
            _ => Err(SendError::Accepted("websocket.http.response.body")),
        }
    }

    /// Whether a response that denies is on its way.
    pub(super) fn is_head_sent(&self) -> bool {
        matches!(self, Self::Http1(Http1 { encoder: Some(encoder), .. }) if encoder.is_head_sent())
    }

    /// Forgets a response of which nothing has gone out.
    pub(super) fn restart(&mut self) {
        if let Self::Http1(Http1 { encoder: Some(encoder), .. }) = self {
            encoder.restart();
        }
    }
}
