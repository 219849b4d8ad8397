//! A stream that carries a WebSocket, or will once the application accepts it (RFC 8441).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use super::super::websocket::Carrier;
use super::body::Body;
use super::responder::Responder;
use super::transport::{Receive as _, Respond, Transport};
use crate::engine::Engine;
use crate::output::Output;

/// How many bytes are handed on at once.
const WRITE: usize = 64 * 1024;

/// A stream that is a tunnel, or will be once the application accepts.
pub(in crate::connection) struct Tunnel<T: Transport> {
    receive: T::Receive,
    /// Received bytes that did not fit into the caller's buffer.
    piece: Bytes,
    responder: Responder<T::Respond>,
    body: Option<Body<<T::Respond as Respond>::Body>>,
    /// The denial response breaks off: it is incomplete for good.
    is_cut_short: bool,
    /// How many of the caller's bytes `body` has but has not handed on. The caller passes them again until they are.
    accepted: usize,
}

impl<T: Transport> Tunnel<T> {
    pub(in crate::connection) fn new(receive: T::Receive, responder: Responder<T::Respond>) -> Self {
        Self { receive, piece: Bytes::new(), responder, body: None, is_cut_short: false, accepted: 0 }
    }

    fn handed_on(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.handed_on()) + self.responder.handed_on()
    }
}

impl<T: Transport> Carrier for Tunnel<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.piece.is_empty() {
            match std::task::ready!(self.receive.poll_data(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(0)),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        self.receive.release_capacity(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // Before acceptance, this is the body of a denial response.
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

    fn sent(&self) -> u64 {
        self.handed_on()
    }

    fn taken(&self) -> i64 {
        self.handed_on().cast_signed()
    }

    fn accepted_status(&self) -> u16 {
        200
    }

    fn accept(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
        _output: &mut Output,
    ) -> Result<(), SendError> {
        self.body = Some(self.responder.open(fields, engine, now)?);
        Ok(())
    }

    fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        self.responder.start(head)
    }

    fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
        _output: &mut Output,
    ) -> Result<bool, SendError> {
        self.responder.body(data, more, engine, now)?;
        if let Some(body) = &mut self.responder.body {
            body.pump().map_err(|_| SendError::Disconnected)?;
        }
        Ok(self.responder.is_complete())
    }

    fn is_head_sent(&self) -> bool {
        self.responder.is_head_sent()
    }

    fn cut_short(&mut self) {
        self.is_cut_short = true;
    }

    fn waiting(&self) -> u64 {
        if self.body.is_none() { self.responder.waiting() } else { 0 }
    }

    fn poll_denial(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.responder.body {
            Some(body) if self.body.is_none() && body.len() > 0 => body.poll_pump(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn restart(&mut self) {
        self.responder.restart();
    }
}
