//! What a connection's task and the application's exchange share.

use std::cell::{Cell, RefCell, RefMut};
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use pounce_asgi::{ConnectionInfo, ExchangeId, Fields};

use super::super::input::Input;
use super::super::observation::Observation;
use crate::engine::{Engine, WorkerPhase};
use crate::flusher::Flush;
use crate::http1::{Fault, Output, RequestEvent, RequestMachine, ResponseEncoder};
use crate::http2::Beginning;
use crate::stream::Stream;

/// How much of a body that the application did not read is read and dropped to keep the connection.
const MAX_DISCARD: u64 = 256 * 1024;

/// The shared half of a connection. Reached from the connection's task and, through the exchange, from
/// the application; never both at once, and never borrowed while the application runs.
pub(in crate::connection) struct Http1Link {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    state: RefCell<Http1State>,
    waker: RefCell<Waker>,
    /// The time at which the task was last polled.
    pub(super) now: Cell<Instant>,
    /// The task is being polled, and sees for itself what happens meanwhile.
    pub(super) polling: Cell<bool>,
    is_due: Cell<bool>,
    this: Weak<Self>,
}

pub(super) struct Http1State {
    pub(super) stream: Stream,
    /// The first bytes may be the preface of HTTP/2.
    may_be_http2: bool,
    pub(super) input: Input,
    pub(super) machine: RequestMachine,
    pub(super) encoder: ResponseEncoder,
    pub(super) output: Output,
    /// The current response's fields, where the observer needs them.
    pub(super) response_fields: Fields,
    /// The current exchange.
    pub(super) exchange: ExchangeId,
    pub(super) observation: Observation,
    /// The client sends nothing more.
    pub(super) end_of_input: bool,
    /// Nothing of the application's can reach the client any more.
    pub(super) gone: bool,
    /// That is so because the client left.
    pub(super) client_left: bool,
    /// The client waits for `100 Continue`, and nobody has asked for the body yet.
    pub(super) continue_due: bool,
    /// A decoded piece of the body that nobody has taken yet, where it lies in the input; and whether it is
    /// the last. Nothing is read while it lies there.
    piece: Option<(Range<usize>, bool)>,
    /// The application has been given the whole body.
    pub(super) body_taken: bool,
    /// The application has been told that the client sends nothing more.
    pub(super) disconnect_told: bool,
    /// The application waits in `receive`.
    pub(super) receiving: bool,
    /// The application waits in `send`.
    pub(super) sending: bool,
    /// Bytes that have come.
    pub(super) received: u64,
    /// Bytes of an unread body that have been dropped.
    discarded: u64,
    /// The connection ends once the output is written.
    pub(super) closing: bool,
    /// Unread input may be under way: closing at once could cost the client our last response.
    pub(super) linger: bool,
}

/// What comes next on a connection that runs no exchange.
pub(super) enum Next {
    Request,
    NeedMore,
    Close,
    /// The client speaks HTTP/2.
    Http2,
}

impl Http1Link {
    pub(in crate::connection) fn new(
        engine: Rc<Engine>,
        info: Rc<ConnectionInfo>,
        stream: Stream,
        may_be_http2: bool,
        now: Instant,
    ) -> Rc<Self> {
        let machine = RequestMachine::new(engine.settings.http.limits);
        let observation = Observation::none(&info, now);
        Rc::new_cyclic(|this| Self {
            engine,
            info,
            state: RefCell::new(Http1State {
                stream,
                may_be_http2,
                input: Input::default(),
                machine,
                encoder: ResponseEncoder::default(),
                output: Output::new(),
                response_fields: Fields::new(),
                exchange: 0,
                observation,
                end_of_input: false,
                gone: false,
                client_left: false,
                continue_due: false,
                piece: None,
                body_taken: false,
                disconnect_told: false,
                receiving: false,
                sending: false,
                received: 0,
                discarded: 0,
                closing: false,
                linger: false,
            }),
            waker: RefCell::new(Waker::noop().clone()),
            now: Cell::new(now),
            polling: Cell::new(false),
            is_due: Cell::new(false),
            this: Weak::clone(this),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, Http1State> {
        self.state.borrow_mut()
    }

    /// Has the connection's task polled again soon.
    pub(super) fn wake(&self) {
        self.waker.borrow().wake_by_ref();
    }

    /// Has what was sent written at the end of the turn. Nobody may have the state borrowed.
    pub(super) fn write_soon(&self) {
        if let Some(this) = self.this.upgrade() {
            self.engine.flusher.add(this);
        }
    }

    /// Writes as much as the socket takes at once; the task sees to the rest.
    pub(super) fn write(&self, state: &mut Http1State) {
        let mut context = Context::from_waker(Waker::noop());
        if state.poll_flush(&self.engine, &mut context).is_pending() || state.gone {
            self.wake();
        }
    }

    /// A request has come: the exchange begins.
    pub(super) fn observe_begin(&self) {
        let state = &mut *self.state();
        state.observation =
            Observation::begin(&self.engine, &self.info, state.machine.head(), self.now.get());
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
    }
}

impl Flush for Http1Link {
    fn is_due(&self) -> &Cell<bool> {
        &self.is_due
    }

    fn flush(&self) {
        let mut state = self.state();
        if !state.output.is_empty() {
            self.write(&mut state);
        }
        // The task may have been polled while this was due, and left the writing to it. It tells an application that may
        // send again.
        if state.sending {
            self.wake();
        }
    }
}

impl Drop for Http1Link {
    fn drop(&mut self) {
        self.state.get_mut().input.give_back(&self.engine);
    }
}

impl Http1State {
    /// The connection is of no use any more: what waits cannot be written.
    pub(super) fn lose(&mut self) {
        self.gone = true;
        self.client_left = true;
        self.closing = true;
        self.linger = false;
        self.output.clear();
    }

    /// Decodes what is buffered of the current body, in one piece. True if there is a piece to take.
    pub(super) fn prepare_body(&mut self) -> Result<bool, Fault> {
        if self.piece.is_some() {
            return Ok(true);
        }
        let mut piece = 0..0;
        let ended = loop {
            let step = self.machine.advance(self.input.bytes())?;
            let base = self.input.position();
            self.input.consume(step.consumed);
            match step.event {
                RequestEvent::NeedMore => break false,
                RequestEvent::End => break true,
                RequestEvent::Body(range) => {
                    let found = base + range.start..base + range.end;
                    if piece.is_empty() {
                        piece = found;
                    } else {
                        // Chunks are moved together, over the framing between them.
                        let length = found.len();
                        self.input.move_down(found, piece.end);
                        piece.end += length;
                    }
                }
                RequestEvent::Head => unreachable!("a body ends before the next head begins"),
            }
        };
        if piece.is_empty() && !ended {
            return Ok(false);
        }
        // A client that sends its body does not wait for `100 Continue` any more (RFC 9110, section 10.1.1).
        self.continue_due = false;
        self.piece = Some((piece, ended));
        Ok(true)
    }

    /// Whether a piece of the body lies in the input, which must not move then.
    pub(super) fn holds_piece(&self) -> bool {
        self.piece.is_some()
    }

    /// Calls `take` with the prepared piece. True if the body goes on.
    pub(super) fn take_body(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let (piece, ended) = self.piece.take().unwrap_or((0..0, false));
        take(self.input.part(piece));
        self.body_taken = ended;
        !ended
    }

    /// Goes on in the input to the next request, past what is left of a body that nobody read.
    pub(super) fn next_request(&mut self) -> Result<Next, Fault> {
        if self.closing {
            return Ok(Next::Close);
        }
        if self.may_be_http2 {
            match Beginning::of(self.input.bytes()) {
                Beginning::Undecided => return Ok(Next::NeedMore),
                Beginning::Http2 => return Ok(Next::Http2),
                Beginning::Broken => {
                    self.lose();
                    return Ok(Next::Close);
                }
                Beginning::Http1 => self.may_be_http2 = false,
            }
        }
        loop {
            let step = self.machine.advance(self.input.bytes())?;
            self.input.consume(step.consumed);
            match step.event {
                RequestEvent::NeedMore => return Ok(Next::NeedMore),
                RequestEvent::End => {}
                RequestEvent::Body(range) => {
                    self.discarded += range.len() as u64;
                    if self.discarded > MAX_DISCARD {
                        self.close_lingering();
                        return Ok(Next::Close);
                    }
                }
                RequestEvent::Head => {
                    self.begin_exchange();
                    return Ok(Next::Request);
                }
            }
        }
    }

    fn begin_exchange(&mut self) {
        let facts = *self.machine.facts();
        self.exchange += 1;
        self.response_fields.clear();
        self.encoder.begin(facts);
        self.continue_due = facts.expects_continue;
        self.piece = None;
        self.body_taken = false;
        self.receiving = false;
        self.sending = false;
        self.discarded = 0;
    }

    /// Whether the rest of the current body is too much to read just to keep the connection. A client that
    /// still waits for `100 Continue` may or may not send it: nobody can tell what would follow.
    pub(super) fn body_costs_connection(&self) -> bool {
        self.continue_due || self.machine.body_left().is_some_and(|left| left > MAX_DISCARD)
    }

    /// Ends the connection so that a client that is still sending gets to read our response.
    pub(super) fn close_lingering(&mut self) {
        self.closing = true;
        self.linger = true;
    }

    /// Gives back what is not needed while the connection waits.
    pub(super) fn rest(&mut self, engine: &Engine) {
        // A piece that waits to be taken must stay where it lies.
        if self.piece.is_none() {
            self.input.shrink(engine);
        }
    }

    /// Closes the socket, though calls of the application may go on.
    pub(super) fn close(&mut self) {
        self.lose();
        self.stream.close();
    }

    /// Decides about the connection once a response is complete.
    pub(super) fn end_exchange(&mut self, phase: WorkerPhase) {
        self.piece = None;
        self.disconnect_told = false;
        self.receiving = false;
        self.sending = false;
        if self.continue_due {
            self.close_lingering();
        } else if self.encoder.must_close()
            || self.end_of_input && self.input.is_empty()
            || phase != WorkerPhase::Serving && self.input.is_empty()
        {
            self.closing = true;
            self.linger |= self.machine.in_body() || !self.input.is_empty();
        }
    }
}
