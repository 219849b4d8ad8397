//! The state of an HTTP/1.1 connection: its socket, its machines, and the progress of its exchange.

use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use pounce_asgi::{ConnectionInfo, ExchangeId, Fields};

use super::super::body_phase::BodyPhase;
use super::super::input::Input;
use super::super::observation::Observation;
use super::super::waits::AppWaits;
use crate::engine::Engine;
use crate::http1::{Fault, Output, RequestEvent, RequestMachine, ResponseEncoder};
use crate::http2::Beginning;
use crate::stream::Stream;

/// How many bytes of a body that the application did not read are read and dropped to keep the connection.
const MAX_DISCARD: u64 = 256 * 1024;

pub(super) struct Http1State {
    pub(super) stream: Stream,
    /// The first bytes may be the preface of HTTP/2.
    may_be_http2: bool,
    pub(super) input: Input,
    pub(super) machine: RequestMachine,
    pub(super) encoder: ResponseEncoder,
    pub(super) output: Output,
    /// The current response's fields, if the observer needs them.
    pub(super) response_fields: Fields,
    /// The current exchange.
    pub(super) exchange: ExchangeId,
    pub(super) observation: Observation,
    pub(super) client: ClientState,
    /// The client sends nothing more.
    pub(super) end_of_input: bool,
    /// The application has received the disconnect event for this.
    pub(super) disconnect_told: bool,
    /// The body of the current request.
    pub(super) body: BodyPhase,
    /// The range in `input` of a decoded piece of the body, until the application takes it. Nothing is read meanwhile.
    piece: Option<Range<usize>>,
    pub(super) waits: AppWaits,
    /// Bytes received.
    pub(super) received: u64,
    /// Bytes of an unread body that have been dropped.
    discarded: u64,
    pub(super) ending: Ending,
}

/// Whether the client gets what the application sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientState {
    /// The client gets it.
    Listens,
    /// It is dropped: the response breaks off, or the server answers a faulty request.
    CutOff,
    /// It is dropped: the client has left.
    Left,
}

/// What happens to the connection once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It stays open for further requests.
    Open,
    /// It is closed.
    Close,
    /// It is closed once the client has closed it: unread input may be under way, and closing at once could destroy the
    /// last response before the client reads it.
    Linger,
}

/// What comes next on a connection without a running exchange.
pub(super) enum Next {
    Request,
    NeedMore,
    Close,
    /// The client speaks HTTP/2.
    Http2,
}

impl Http1State {
    pub(super) fn new(
        engine: &Rc<Engine>,
        info: &ConnectionInfo,
        stream: Stream,
        may_be_http2: bool,
        now: Instant,
    ) -> Self {
        Self {
            stream,
            may_be_http2,
            input: Input::default(),
            machine: RequestMachine::new(engine.settings.http.limits),
            encoder: ResponseEncoder::default(),
            output: Output::new(),
            response_fields: Fields::new(),
            exchange: 0,
            observation: Observation::none(info, now),
            client: ClientState::Listens,
            end_of_input: false,
            disconnect_told: false,
            body: BodyPhase::default(),
            piece: None,
            waits: AppWaits::default(),
            received: 0,
            discarded: 0,
            ending: Ending::Open,
        }
    }

    /// Whether nothing that the application sends can reach the client any more.
    pub(super) fn is_gone(&self) -> bool {
        self.client != ClientState::Listens
    }

    /// Ends the connection once the output is written; a stronger ending already set stays.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ending = self.ending.max(ending);
    }

    /// Gives the connection up, dropping unwritten output.
    pub(super) fn lose(&mut self) {
        self.client = ClientState::Left;
        self.ending = Ending::Close;
        self.output.clear();
    }

    /// Decodes the buffered part of the current body into one piece. True if there is a piece to take.
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
                        // Join the chunks: move each down over the framing before it.
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
        self.body.come(ended);
        self.piece = Some(piece);
        Ok(true)
    }

    /// Whether a piece of the body lies in the input, which then must not move.
    pub(super) fn holds_piece(&self) -> bool {
        self.piece.is_some()
    }

    /// Calls `take` with the prepared piece. True if the body goes on.
    pub(super) fn take_body(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        take(self.input.part(self.piece.take().unwrap_or_default()));
        self.body.take()
    }

    /// Parses the input up to the next request, skipping the rest of an unread body.
    pub(super) fn next_request(&mut self) -> Result<Next, Fault> {
        if self.ending != Ending::Open {
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
                        self.end(Ending::Linger);
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
        self.body = BodyPhase::begin(facts.expects_continue);
        self.piece = None;
        self.waits.clear();
        self.discarded = 0;
    }

    /// Whether the rest of the current body is too long to read just to keep the connection. A client that still waits
    /// for `100 Continue` may or may not send its body, so the next bytes would be ambiguous.
    pub(super) fn body_costs_connection(&self) -> bool {
        self.body == BodyPhase::Expected || self.machine.body_left().is_some_and(|left| left > MAX_DISCARD)
    }

    /// Gives back memory that is not needed while the connection waits.
    pub(super) fn rest(&mut self, engine: &Engine) {
        // A piece that waits to be taken must not move.
        if self.piece.is_none() {
            self.input.shrink(engine);
        }
    }

    /// Closes the socket, although calls to the application may still run.
    pub(super) fn close(&mut self) {
        self.lose();
        self.stream.close();
    }

    /// Decides whether the connection stays open after a complete response.
    pub(super) fn end_exchange(&mut self) {
        self.piece = None;
        self.disconnect_told = false;
        self.waits.clear();
        if self.body == BodyPhase::Expected {
            self.end(Ending::Linger);
        } else if self.encoder.must_close() || self.end_of_input && self.input.is_empty() {
            // A worker that drains says so in each response. What began before may bring one more request.
            let unread = self.machine.in_body() || !self.input.is_empty();
            self.end(if unread { Ending::Linger } else { Ending::Close });
        }
    }
}
