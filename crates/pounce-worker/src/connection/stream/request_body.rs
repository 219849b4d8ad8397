//! The body of a stream's request, as far as it has arrived.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::super::body_phase::BodyPhase;
use super::transport::Receive;
use crate::http1::Fault;

/// How many bytes of a body are read and dropped after a response that is complete without them.
const MAX_DISCARD: u64 = 16 * 1024 * 1024;

/// The body of a request.
pub(super) struct RequestBody<R> {
    /// `None` once the body is given up: dropping it releases the connection's window.
    receive: Option<R>,
    /// A piece that the application has not taken yet.
    piece: Option<Bytes>,
    phase: BodyPhase,
    /// The declared length of the body.
    declared: Option<u64>,
    received: u64,
    /// Bytes dropped after the response.
    discarded: u64,
}

impl<R: Receive> RequestBody<R> {
    pub(super) fn new(receive: R, declared: Option<u64>, phase: BodyPhase) -> Self {
        Self { receive: Some(receive), piece: None, phase, declared, received: 0, discarded: 0 }
    }

    /// Bytes received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the application has taken the whole body.
    pub(super) fn is_taken(&self) -> bool {
        self.phase == BodyPhase::Taken
    }

    /// See [`BodyPhase::ask`].
    pub(super) fn ask(&mut self) -> bool {
        self.phase.ask()
    }

    /// Whether the client will send the rest of the body: it does not wait for `100 Continue`, has declared a length,
    /// and the rest is short. Without a declared length, it may wait for the response to end before it ends the body.
    pub(super) fn is_uploading(&self) -> bool {
        let rest = self.declared.map_or(0, |declared| declared.saturating_sub(self.received));
        // Asks the transport last: `h2` takes a lock for that, and most requests have no body.
        self.phase != BodyPhase::Expected
            && (1..=MAX_DISCARD).contains(&rest)
            && self.receive.as_ref().is_some_and(|receive| !receive.is_end_stream())
    }

    /// Prepares a piece. Ready with false when no more will come, because the stream is closed.
    pub(super) fn poll_piece(
        &mut self,
        limit: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Fault>> {
        while self.piece.is_none() {
            let Some(receive) = &mut self.receive else { return Poll::Ready(Ok(false)) };
            let (piece, last) = match ready!(receive.poll_data(cx)) {
                Some(Ok(piece)) => (piece, receive.is_end_stream()),
                None => (Bytes::new(), true),
                Some(Err(_)) => return Poll::Ready(Ok(false)),
            };
            self.phase.come(last);
            self.received += piece.len() as u64;
            if limit.is_some_and(|limit| self.received > limit) {
                return Poll::Ready(Err(Fault::ContentTooLarge));
            }
            if last || !piece.is_empty() {
                self.piece = Some(piece);
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Calls `take` with the piece, and lets the client send as many bytes again. True if the body goes on.
    pub(super) fn take_piece(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let piece = self.piece.take().unwrap_or_default();
        take(&piece);
        if let Some(receive) = &mut self.receive {
            receive.release_capacity(piece.len());
        }
        self.phase.take()
    }

    /// Gives the body up and releases its share of the window.
    pub(super) fn forget(&mut self) {
        if let (Some(mut receive), Some(piece)) = (self.receive.take(), self.piece.take()) {
            receive.release_capacity(piece.len());
        }
    }

    /// Reads and drops the rest of the body after the response, instead of resetting the stream: many clients lose a
    /// response if a reset follows. Ready at the body's end, or once the body is too long to read on.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(receive) = &mut self.receive else { return Poll::Ready(()) };
        let mut piece = self.piece.take().unwrap_or_default();
        loop {
            receive.release_capacity(piece.len());
            self.discarded += piece.len() as u64;
            if self.discarded > MAX_DISCARD || receive.is_end_stream() {
                return Poll::Ready(());
            }
            match ready!(receive.poll_data(cx)) {
                Some(Ok(next)) => piece = next,
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }
}
