//! What the task of a stream and the application's exchange share.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{ConnectionInfo, Fields, Outcome, Payload, RequestHead};

use super::super::body_phase::BodyPhase;
use super::super::observation::{End, Observation};
use super::super::server_response;
use super::super::task_waker::TaskWaker;
use super::super::waits::AppWaits;
use super::body::Body;
use super::request_body::RequestBody;
use super::responder::Responder;
use super::transport::{Receive, Reset, Respond, Transport};
use crate::engine::Engine;
use crate::http1::{Fault, decimal};

/// A request on a stream.
pub(in crate::connection) struct StreamRequest<T: Transport> {
    pub(in crate::connection) head: RequestHead,
    pub(in crate::connection) receive: T::Receive,
    pub(in crate::connection) responder: Responder<T::Respond>,
    pub(in crate::connection) expects_continue: bool,
    pub(in crate::connection) observation: Observation,
}

/// The shared half of a stream. Never borrowed while the application runs.
pub(in crate::connection) struct StreamLink<T: Transport> {
    pub(super) engine: Rc<Engine>,
    info: Rc<ConnectionInfo>,
    pub(in crate::connection) head: RequestHead,
    state: RefCell<StreamState<T>>,
    pub(super) waker: TaskWaker,
    /// The time at which the stream was last looked at.
    pub(super) now: Cell<Instant>,
}

pub(in crate::connection) struct StreamState<T: Transport> {
    pub(super) body: RequestBody<T::Receive>,
    pub(super) responder: Responder<T::Respond>,
    pub(in crate::connection) observation: Observation,
    pub(super) response_fields: Fields,
    pub(super) fate: Fate,
    pub(super) waits: AppWaits,
}

/// What becomes of what the application sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The client gets it.
    Open,
    /// Nobody: the client is answered with what is wrong with its request's body.
    Refused,
    /// The response ends behind what was sent, though it is not complete: a reset follows.
    BrokenOff,
    /// Nobody: the client has gone, or the stream is reset.
    Gone,
}

impl<T: Transport> StreamLink<T> {
    pub(in crate::connection) fn new(
        engine: Rc<Engine>,
        info: Rc<ConnectionInfo>,
        request: StreamRequest<T>,
    ) -> Rc<Self> {
        let StreamRequest { head, receive, responder, expects_continue, observation } = request;
        let lengths = (!receive.is_end_stream()).then(|| head.fields().get_all(b"content-length"));
        let declared = lengths.and_then(|mut lengths| lengths.next()).and_then(decimal);
        // A client that has nothing to send waits for nothing.
        let phase = BodyPhase::begin(expects_continue && !receive.is_end_stream());
        let waker = TaskWaker::new();
        // Whoever has made it polls it at once.
        waker.begin_poll_again();
        Rc::new(Self {
            engine,
            info,
            head,
            now: Cell::new(observation.started),
            state: RefCell::new(StreamState {
                body: RequestBody::new(receive, declared, phase),
                responder,
                observation,
                response_fields: Fields::new(),
                fate: Fate::Open,
                waits: AppWaits::default(),
            }),
            waker,
        })
    }

    pub(in crate::connection) fn state(&self) -> RefMut<'_, StreamState<T>> {
        self.state.borrow_mut()
    }

    /// The state, unless it is borrowed by a caller that panics.
    pub(super) fn try_state(&self) -> Option<RefMut<'_, StreamState<T>>> {
        self.state.try_borrow_mut().ok()
    }

    /// The connection has ended.
    pub(in crate::connection) fn lose(&self) {
        self.state().lose();
        self.waker.wake();
    }

    /// Answers with a response of the server's own.
    pub(in crate::connection) fn answer(&self, state: &mut StreamState<T>, status: u16, detail: &str) {
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
    pub(super) fn refuse(&self, state: &mut StreamState<T>, fault: Fault) {
        if state.responder.is_head_sent() {
            state.responder.reset(Reset::Cancel);
            state.lose();
        } else {
            state.fate = Fate::Refused;
            self.answer(state, fault.status(), &fault.to_string());
        }
    }

    /// Sees to it that a response is there, or visibly not, once a call has returned before its end.
    pub(super) fn conclude(&self, state: &mut StreamState<T>, outcome: Outcome) {
        state.waits.clear();
        if state.is_gone() || state.responder.is_complete() {
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
        state.fate = Fate::BrokenOff;
    }

    /// Tells the observer that the exchange is over.
    pub(super) fn observe_end(&self, state: &mut StreamState<T>) {
        let end = End {
            response_fields: &state.response_fields,
            status: state.responder.status(),
            client_left: !state.responder.is_complete() && matches!(state.fate, Fate::Open | Fate::Gone),
            body_bytes: state.responder.body_sent(),
        };
        state.observation.end(&self.engine, &self.info, &self.head, &end);
    }
}

impl<T: Transport> StreamState<T> {
    /// Whether nothing of the application's can reach the client any more.
    pub(super) fn is_gone(&self) -> bool {
        self.fate == Fate::Gone
    }

    /// The client has gone, or wants no more of it.
    pub(super) fn lose(&mut self) {
        self.fate = Fate::Gone;
        self.body.forget();
    }

    /// Tells the response whether the client is going to send the rest of the body.
    pub(super) fn note_upload(&mut self) {
        self.responder.is_uploading = self.body.is_uploading();
    }

    /// Leaves the stream to the transport, once the response is with it: where the client still sends, a reset NO_ERROR
    /// follows the response (RFC 9113 section 8.1).
    pub(super) fn release(&mut self) {
        self.body.forget();
        self.responder.release();
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

    fn hand_on(&mut self, pump: impl FnOnce(&mut Body<<T::Respond as Respond>::Body>) -> io::Result<()>) {
        let Some(body) = self.responder.body.as_mut().filter(|body| !body.is_ended()) else { return };
        if pump(body).is_err() {
            // A file that has become shorter, if the stream is still of use.
            body.reset(Reset::InternalError);
            self.lose();
        }
    }
}
