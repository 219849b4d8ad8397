//! The part of a response's body that the client's windows do not let through yet.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pounce_asgi::{FileBody, Payload};

use super::transport::{Reset, SendBody};
use crate::output::{broken_file, read_piece};

/// Up to this size, waiting pieces are gathered into one, which saves memory.
const GATHERED: usize = 16 * 1024;

/// The body to send on a stream, in order.
pub(super) struct Body<S> {
    stream: S,
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    length: u64,
    /// Bytes handed on to the transport.
    handed_on: u64,
    /// Only trailers may follow the pieces.
    last: bool,
    trailers: Option<HeaderMap>,
    end: BodyEnd,
}

/// The state of a body's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyEnd {
    /// To be sent with the last piece.
    Due,
    /// Held back with the last piece until [`Body::let_go`].
    Held,
    /// Sent.
    Sent,
}

enum Piece {
    Gathered(BytesMut),
    Bytes(Bytes),
    File(FileBody),
}

impl<S: SendBody> Body<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            pieces: VecDeque::new(),
            length: 0,
            handed_on: 0,
            last: false,
            trailers: None,
            end: BodyEnd::Due,
        }
    }

    /// How many bytes wait to be handed on.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// How many bytes have been handed on to the transport.
    pub(super) fn handed_on(&self) -> u64 {
        self.handed_on
    }

    /// Whether the end has been sent, and so everything handed on.
    pub(super) fn is_ended(&self) -> bool {
        self.end == BodyEnd::Sent
    }

    /// Whether only the last piece is left and held back.
    pub(super) fn is_held(&self) -> bool {
        self.end == BodyEnd::Held && self.pieces.len() <= 1
    }

    /// Releases the last piece.
    pub(super) fn let_go(&mut self) {
        if self.end == BodyEnd::Held {
            self.end = BodyEnd::Due;
        }
    }

    pub(super) fn push(&mut self, payload: Payload<'_>) {
        let length = payload.as_slice().len();
        if length == 0 {
            return;
        }
        self.length += length as u64;
        match (self.pieces.back_mut(), payload) {
            (Some(Piece::Gathered(tail)), payload) if tail.len() + length <= GATHERED => {
                tail.extend_from_slice(payload.as_slice());
            }
            (_, Payload::Shared(bytes)) => self.pieces.push_back(Piece::Bytes(bytes)),
            (Some(_), Payload::Borrowed(bytes)) if length < GATHERED => {
                self.pieces.push_back(Piece::Gathered(bytes.into()));
            }
            (_, Payload::Borrowed(bytes)) => {
                self.pieces.push_back(Piece::Bytes(Bytes::copy_from_slice(bytes)));
            }
        }
    }

    pub(super) fn push_file(&mut self, file: FileBody) {
        if file.length > 0 {
            self.length += file.length;
            self.pieces.push_back(Piece::File(file));
        }
    }

    /// Ends the body. With `held`, the last piece waits for [`Body::let_go`].
    pub(super) fn end(&mut self, trailers: Option<HeaderMap>, held: bool) {
        self.last = true;
        self.trailers = trailers;
        if held && self.end == BodyEnd::Due {
            self.end = BodyEnd::Held;
        }
    }

    /// Hands on the bytes that the client's windows let through now. True if there were any.
    ///
    /// # Errors
    /// The stream is closed, or a file has become shorter.
    pub(super) fn pump(&mut self) -> io::Result<bool> {
        let mut moved = false;
        while self.length > 0 && !self.is_held() {
            self.stream.reserve_capacity(usize::try_from(self.length).unwrap_or(usize::MAX).min(1 << 30));
            let capacity = self.stream.capacity();
            if capacity == 0 {
                return Ok(moved);
            }
            let bytes = self.take(capacity)?;
            let last = self.length == 0 && self.last && self.trailers.is_none();
            self.handed_on += bytes.len() as u64;
            self.stream.send_data(bytes, last).map_err(io::Error::other)?;
            if last {
                self.end = BodyEnd::Sent;
            }
            moved = true;
        }
        if self.last && self.end == BodyEnd::Due {
            match self.trailers.take() {
                Some(trailers) => self.stream.send_trailers(trailers).map_err(io::Error::other)?,
                None => self.stream.send_data(Bytes::new(), true).map_err(io::Error::other)?,
            }
            self.end = BodyEnd::Sent;
            moved = true;
        }
        Ok(moved)
    }

    /// Hands on all bytes, as the client's windows let them through.
    ///
    /// # Errors
    /// As [`Body::pump`].
    pub(super) fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.pump()?;
            if self.length == 0 || self.is_held() {
                return Poll::Ready(Ok(()));
            }
            std::task::ready!(self.stream.poll_capacity(cx));
            // There is capacity, or the stream is closed.
            if !self.pump()? {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
    }

    /// Ready when the client has reset the stream, or has gone.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx)
    }

    /// Tells the client that the rest will not come.
    pub(super) fn reset(&mut self, reset: Reset) {
        self.stream.send_reset(reset);
        self.pieces.clear();
        self.length = 0;
        self.end = BodyEnd::Sent;
    }

    /// The next bytes, at most `limit`.
    fn take(&mut self, limit: usize) -> io::Result<Bytes> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(Bytes::new()) };
        let (bytes, done) = match piece {
            Piece::Gathered(bytes) => (bytes.split_to(limit.min(bytes.len())).freeze(), bytes.is_empty()),
            Piece::Bytes(bytes) => (bytes.split_to(limit.min(bytes.len())), bytes.is_empty()),
            Piece::File(file) => {
                let mut piece = Vec::new();
                let read = read_piece(file, limit, &mut piece);
                let read = read.inspect_err(|error| broken_file(error, file.length))? as u64;
                file.offset += read;
                file.length -= read;
                (Bytes::from(piece), file.length == 0)
            }
        };
        if done {
            self.pieces.pop_front();
        }
        self.length -= bytes.len() as u64;
        Ok(bytes)
    }
}
