//! What the task of a stream and the application's exchange share.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use pounce_asgi::{ConnectionInfo, Fields, Outcome, Payload, RequestHead};

use super::super::observation::{End, Observation};
use super::super::server_response;
use super::body::Body;
use super::response::Responder;
use crate::engine::Engine;
use crate::http1::{Fault, decimal};

/// How much of a body is read and dropped behind a response that is complete without it.
const MAX_DISCARD: u64 = 16 * 1024 * 1024;

/// The shared half of a stream. Never borrowed while the application runs.
pub(super) struct StreamLink {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    pub(super) head: RequestHead,
    state: RefCell<StreamState>,
    waker: RefCell<Waker>,
    /// The time at which the stream was last looked at.
    pub(super) now: Cell<Instant>,
    /// The stream is being polled: its poller sees changes itself, and needs no wake-up.
    pub(super) polling: Cell<bool>,
}

pub(super) struct StreamState {
    /// Until the client has gone: what nobody reads any more gives the connection's window back.
    recv: Option<RecvStream>,
    /// A piece of the body that nobody has taken yet.
    piece: Option<Bytes>,
    /// How long the client has said that the body is.
    declared: Option<u64>,
    /// Bytes of the body that have come.
    pub(super) received: u64,
    /// Bytes of it that were dropped behind the response.
    discarded: u64,
    /// No data comes behind the piece.
    ended: bool,
    /// The application has been given the whole body.
    pub(super) body_taken: bool,
    pub(super) responder: Responder,
    pub(super) observation: Observation,
    pub(super) response_fields: Fields,
    /// Nothing of the application's can reach the client any more.
    pub(super) gone: bool,
    /// It is answered with what is wrong with its body, whatever the application sends.
    pub(super) refused: bool,
    pub(super) continue_due: bool,
    /// The response ends here, though it is not complete.
    pub(super) reset_due: bool,
    /// The application waits in `receive`.
    pub(super) receiving: bool,
    /// It waits in `send`.
    pub(super) sending: bool,
}

impl StreamLink {
    pub(super) fn new(
        engine: Rc<Engine>,
        info: Rc<ConnectionInfo>,
        head: RequestHead,
        (recv, responder): (RecvStream, Responder),
        continue_due: bool,
        observation: Observation,
    ) -> Rc<Self> {
        let now = observation.started;
        let lengths = (!recv.is_end_stream()).then(|| head.fields().get_all(b"content-length"));
        let declared = lengths.and_then(|mut lengths| lengths.next()).and_then(decimal);
        Rc::new(Self {
            engine,
            info,
            head,
            state: RefCell::new(StreamState {
                recv: Some(recv),
                piece: None,
                declared,
                received: 0,
                discarded: 0,
                ended: false,
                body_taken: false,
                responder,
                observation,
                response_fields: Fields::new(),
                gone: false,
                refused: false,
                continue_due,
                reset_due: false,
                receiving: false,
                sending: false,
            }),
            waker: RefCell::new(Waker::noop().clone()),
            now: Cell::new(now),
            polling: Cell::new(true),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, StreamState> {
        self.state.borrow_mut()
    }

    /// The state, unless it is borrowed by a caller that panics.
    pub(super) fn try_state(&self) -> Option<RefMut<'_, StreamState>> {
        self.state.try_borrow_mut().ok()
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
    }

    /// Has the stream looked at soon.
    pub(super) fn wake(&self) {
        if !self.polling.get() {
            self.waker.borrow().wake_by_ref();
        }
    }

    /// The connection has ended.
    pub(super) fn lose(&self) {
        self.state().lose();
        self.wake();
    }

    /// Answers with a response of the server's own.
    pub(super) fn answer(&self, state: &mut StreamState, status: u16, detail: &str) {
        let (head, body) = server_response(status, detail);
        state.responder.restart();
        state.response_fields.clear();
        let sent = state.responder.start(&head).and_then(|()| {
            let payload = Payload::Borrowed(body.as_bytes());
            state.responder.body(payload, false, &self.engine, self.now.get())
        });
        if sent.is_err() {
            state.lose();
        }
    }

    /// Answers a fault of the client's, if that can still be done, and ends the exchange.
    pub(super) fn refuse(&self, state: &mut StreamState, fault: Fault) {
        state.refused = true;
        if state.responder.is_head_sent() {
            state.responder.reset(Reason::CANCEL);
            state.lose();
        } else {
            self.answer(state, fault.status(), &fault.to_string());
        }
    }

    /// Sees to it that a response is there, or visibly not, once a call has returned before its end.
    pub(super) fn conclude(&self, state: &mut StreamState, outcome: Outcome) {
        state.receiving = false;
        state.sending = false;
        if state.gone || state.responder.is_complete() {
            return;
        }
        let (method, path) = (self.head.method().escape_ascii(), self.head.raw_path().escape_ascii());
        if !state.responder.is_head_sent() {
            if outcome == Outcome::Returned {
                tracing::error!(
                    target: "pounce",
                    "the application returned without a complete response to {method} {path}",
                );
            }
            self.answer(state, 500, "Internal Server Error");
            return;
        }
        if outcome == Outcome::Returned {
            tracing::error!(
                target: "pounce",
                "the application returned in the middle of its response to {method} {path}; the stream is reset",
            );
        }
        // The client must be able to tell, once it has what was sent.
        state.reset_due = true;
    }

    /// Tells the observer that the exchange is over.
    pub(super) fn observe_end(&self, state: &mut StreamState) {
        let end = End {
            response_fields: &state.response_fields,
            status: state.responder.status(),
            client_left: !state.responder.is_complete() && !state.refused && !state.reset_due,
            body_bytes: state.responder.body_sent(),
        };
        state.observation.end(&self.engine, &self.info, &self.head, &end);
    }
}

impl StreamState {
    /// The client has gone, or wants no more of it.
    pub(super) fn lose(&mut self) {
        self.gone = true;
        self.forget_body();
    }

    /// Tells the response whether the client is going to send the rest of the body: it has begun, or waits for nothing,
    /// has said how long it is, and it is not too long. One without a length may wait for our end to send its own.
    pub(super) fn note_upload(&mut self) {
        let rest = self.declared.map_or(0, |declared| declared.saturating_sub(self.received));
        // Asking `h2` takes its lock, which most responses do without: their requests have no body.
        self.responder.is_uploading = !self.continue_due
            && (1..=MAX_DISCARD).contains(&rest)
            && self.recv.as_ref().is_some_and(|recv| !recv.is_end_stream());
    }

    /// Gives back what nobody will read.
    pub(super) fn forget_body(&mut self) {
        if let (Some(mut recv), Some(piece)) = (self.recv.take(), self.piece.take()) {
            let _ = recv.flow_control().release_capacity(piece.len());
        }
    }

    /// Reads and drops what still comes of a body behind its response, and lets the client send on: many clients lose
    /// a response that a reset follows. Ready at the body's end, and when it is longer than is worth reading.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(recv) = &mut self.recv else { return Poll::Ready(()) };
        let mut piece = self.piece.take().unwrap_or_default();
        loop {
            // A stream that is closed by now has nothing to give back.
            let _ = recv.flow_control().release_capacity(piece.len());
            self.discarded += piece.len() as u64;
            if self.discarded > MAX_DISCARD || recv.is_end_stream() {
                return Poll::Ready(());
            }
            match std::task::ready!(recv.poll_data(cx)) {
                Some(Ok(next)) => piece = next,
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }

    /// Leaves the stream to `h2`, once the response is with it: where the client still sends, a reset NO_ERROR follows
    /// the response (RFC 9113 section 8.1).
    pub(super) fn release(&mut self) {
        self.forget_body();
        self.responder.release();
    }

    /// Sees to it that a piece of the body is there. Ready with false when nothing more will come.
    pub(super) fn poll_piece(
        &mut self,
        limit: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Fault>> {
        loop {
            if self.piece.is_some() {
                return Poll::Ready(Ok(true));
            }
            let Some(recv) = &mut self.recv else { return Poll::Ready(Ok(false)) };
            match std::task::ready!(recv.poll_data(cx)) {
                Some(Ok(piece)) if piece.is_empty() && !recv.is_end_stream() => {}
                Some(Ok(piece)) => {
                    self.received += piece.len() as u64;
                    if limit.is_some_and(|limit| self.received > limit) {
                        return Poll::Ready(Err(Fault::ContentTooLarge));
                    }
                    self.ended = recv.is_end_stream();
                    self.piece = Some(piece);
                }
                None => {
                    self.ended = true;
                    self.piece = Some(Bytes::new());
                }
                Some(Err(_)) => {
                    self.lose();
                    return Poll::Ready(Ok(false));
                }
            }
            // A client that sends its body does not wait for `100 Continue` any more.
            self.continue_due = false;
        }
    }

    /// Calls `take` with the piece, and lets the client send as much again. True if the body goes on.
    pub(super) fn take_piece(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let piece = self.piece.take().unwrap_or_default();
        take(&piece);
        // A stream that is closed by now has nothing to give back.
        if let Some(recv) = &mut self.recv {
            let _ = recv.flow_control().release_capacity(piece.len());
        }
        self.body_taken = self.ended;
        !self.ended
    }

    /// Hands on what the client's windows let through, and has the task woken when there may be more.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) {
        self.hand_on(|body| match body.poll_pump(cx) {
            Poll::Ready(pumped) => pumped,
            Poll::Pending => Ok(()),
        });
    }

    /// The same, as far as it goes without waiting.
    pub(super) fn pump(&mut self) {
        self.hand_on(|body| body.pump().map(drop));
    }

    fn hand_on(&mut self, pump: impl FnOnce(&mut Body) -> io::Result<()>) {
        let Some(body) = self.responder.body.as_mut().filter(|body| !body.is_ended()) else { return };
        if pump(body).is_err() {
            // A file that has become shorter, if the stream is still of use.
            body.reset(Reason::INTERNAL_ERROR);
            self.lose();
        }
    }
}
