//! State shared by the task of a stream and the application's exchange.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{ConnectionInfo, Fields, Outcome, Payload, RequestHead, ResponseHead};

use super::super::body_phase::BodyPhase;
use super::super::observation::{End, Observation};
use super::super::running::CallEnd;
use super::super::server_response;
use super::super::task_waker::TaskWaker;
use super::super::waits::AppWaits;
use super::body::Body;
use super::request_body::RequestBody;
use super::responder::Responder;
use super::transport::{Receive, Reset, Respond, Transport};
use crate::engine::{Engine, REQUEST_TOO_LONG};
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
    /// The time at which the stream was last polled.
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

/// What happens to the data that the application sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The client gets it.
    Open,
    /// It is dropped: the server answers a faulty request body.
    Refused,
    /// The incomplete response ends after the data sent so far, and a reset follows.
    BrokenOff,
    /// It is dropped: the client has gone, or the stream is reset.
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
        // A client without a body does not wait for `100 Continue`.
        let phase = BodyPhase::begin(expects_continue && !receive.is_end_stream());
        let waker = TaskWaker::new();
        // The creator polls the stream at once.
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

    /// Notes that the connection has ended.
    pub(in crate::connection) fn lose(&self) {
        self.state().lose();
        self.waker.wake();
    }

    /// Answers with a response that the server makes.
    pub(in crate::connection) fn answer(
        &self,
        state: &mut StreamState<T>,
        (mut head, body): (ResponseHead, String),
    ) {
        state.observation.add_id(&self.engine, &mut head);
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

    /// Answers a client's fault, or resets the stream if a response has begun, and ends the exchange.
    pub(super) fn refuse(&self, state: &mut StreamState<T>, fault: Fault) {
        if state.responder.is_head_sent() {
            state.responder.reset(Reset::Cancel);
            state.lose();
        } else {
            state.fate = Fate::Refused;
            self.answer(state, self.engine.refuse(fault.status(), &fault.to_string()));
        }
    }

    /// Handles a call that returned before its response was complete: answers for it, or makes the break visible.
    pub(super) fn conclude(&self, state: &mut StreamState<T>, end: CallEnd) {
        state.waits.clear();
        if end == CallEnd::TimedOut {
            self.engine.log_request_timeout(self.head.method(), self.head.raw_path());
        }
        if state.is_gone() || state.responder.is_complete() {
            return;
        }
        if end == CallEnd::TimedOut && !state.responder.is_head_sent() {
            self.answer(state, server_response(503, REQUEST_TOO_LONG));
            return;
        }
        let (method, path) = (self.head.method().escape_ascii(), self.head.raw_path().escape_ascii());
        if !state.responder.is_head_sent() {
            if end == CallEnd::Ended(Outcome::Returned) {
                tracing::error!(
                    target: "pounce",
                    "the application returned without a complete response to {method} {path}",
                );
            }
            self.answer(state, server_response(500, "Internal Server Error"));
            return;
        }
        if end == CallEnd::Ended(Outcome::Returned) {
            tracing::error!(
                target: "pounce",
                "the application returned in the middle of its response to {method} {path}; the stream is reset",
            );
        }
        // A reset after the data sent so far shows the client that the response is incomplete.
        state.fate = Fate::BrokenOff;
    }

    /// Reports the end of the exchange to the observer.
    pub(super) fn observe_end(&self, state: &mut StreamState<T>) {
        let end = End {
            response_fields: &state.response_fields,
            status: state.responder.status(),
            is_websocket: false,
            client_left: !state.responder.is_complete() && matches!(state.fate, Fate::Open | Fate::Gone),
            body_bytes: state.responder.body_sent(),
        };
        state.observation.end(&self.engine, &self.info, &self.head, &end);
    }
}

impl<T: Transport> StreamState<T> {
    /// Whether nothing that the application sends can reach the client any more.
    pub(super) fn is_gone(&self) -> bool {
        self.fate == Fate::Gone
    }

    /// Notes that the client has gone, or wants no more of the response.
    pub(super) fn lose(&mut self) {
        self.fate = Fate::Gone;
        self.body.forget();
    }

    /// Tells the responder whether the client will send the rest of its body.
    pub(super) fn note_upload(&mut self) {
        self.responder.is_uploading = self.body.is_uploading();
    }

    /// Leaves the stream to the transport, once that has the whole response. If the client still sends, a reset with
    /// NO_ERROR follows the response (RFC 9113 section 8.1).
    pub(super) fn release(&mut self) {
        self.body.forget();
        self.responder.release();
    }

    /// Hands on the bytes that the client's windows let through, and has the task woken when the windows open.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) {
        self.hand_on(|body| match body.poll_pump(cx) {
            Poll::Ready(pumped) => pumped,
            Poll::Pending => Ok(()),
        });
    }

    /// Like [`poll_body`](Self::poll_body), but without a wake-up.
    pub(super) fn pump(&mut self) {
        self.hand_on(|body| body.pump().map(drop));
    }

    fn hand_on(&mut self, pump: impl FnOnce(&mut Body<<T::Respond as Respond>::Body>) -> io::Result<()>) {
        let Some(body) = self.responder.body.as_mut().filter(|body| !body.is_ended()) else { return };
        if pump(body).is_err() {
            // The stream is closed, or a file has become shorter; in the latter case the reset matters.
            body.reset(Reset::InternalError);
            self.lose();
        }
    }
}
