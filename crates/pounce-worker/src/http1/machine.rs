//! The receiving half: a stream of bytes in, requests out.
//!
//! Methods are of two kinds: [`RequestMachine::advance`] is input, the rest are getters. The caller owns the buffer,
//! passes the bytes that have arrived and are not consumed yet, and drops as many as a [`RequestStep`] consumed.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use pounce_asgi::RequestHead;
use pounce_config::RequestLimits;

use super::Fault;
use super::chunked::{Chunk, ChunkedDecoder};
use super::head::{self, BodyFraming, Facts, LONG_METHOD, MAX_METHOD};

/// How many empty lines before a request are ignored (RFC 9112 section 2.2).
const MAX_EMPTY_LINES: u8 = 4;

/// The end of a head.
static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// An event of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestEvent {
    /// More input is needed.
    NeedMore,
    /// A head is complete; see [`RequestMachine::head`] and [`RequestMachine::facts`].
    Head,
    /// A piece of the body, at this range of the input.
    Body(Range<usize>),
    /// The request is complete. The next byte belongs to the next request.
    End,
}

/// One step of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestStep {
    /// How many bytes of the input are consumed, including those of a [`RequestEvent::Body`].
    pub consumed: usize,
    /// The event in them.
    pub event: RequestEvent,
}

/// Reads the requests of one connection.
#[derive(Debug)]
pub struct RequestMachine {
    limits: RequestLimits,
    state: MachineState,
    facts: Facts,
    head: RequestHead,
}

#[derive(Debug)]
enum MachineState {
    /// Before or in a head. The first `scanned` bytes of the input contain no fault and no end.
    Head {
        scanned: usize,
        empty_lines: u8,
    },
    Length {
        left: u64,
    },
    /// Boxed: most requests have no such body, and there are many idle connections.
    Chunked(Box<ChunkedDecoder>),
    /// The body has ended; the event [`RequestEvent::End`] comes next.
    Ending,
    /// After a fault.
    Broken(Fault),
}

impl RequestMachine {
    /// A machine at the start of a connection.
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            state: MachineState::Head { scanned: 0, empty_lines: 0 },
            facts: Facts::default(),
            head: RequestHead::default(),
        }
    }

    /// The head of the current request.
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The head, to be completed.
    pub fn head_mut(&mut self) -> &mut RequestHead {
        &mut self.head
    }

    /// Takes the head out, for use while the machine goes on; give it back so that its buffers are reused.
    pub fn take_head(&mut self) -> RequestHead {
        std::mem::take(&mut self.head)
    }

    /// Gives back the head that [`RequestMachine::take_head`] took.
    pub fn restore_head(&mut self, head: RequestHead) {
        self.head = head;
    }

    /// The facts of the current head that matter to the connection.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the machine is between requests and has seen nothing of the next one.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, MachineState::Head { scanned: 0, empty_lines: 0 })
    }

    /// Whether the current request's body has not ended yet.
    pub fn in_body(&self) -> bool {
        matches!(self.state, MachineState::Length { .. } | MachineState::Chunked(_))
    }

    /// How many bytes of the current request's body are still to be consumed, if its length is known.
    pub fn body_left(&self) -> Option<u64> {
        match self.state {
            MachineState::Length { left } => Some(left),
            _ => None,
        }
    }

    /// Takes `input`, which starts at the first byte not yet consumed.
    ///
    /// # Errors
    /// The client's fault. The machine then stays broken: every later call returns the same fault, so that
    /// bytes after a fault are never read as a request.
    pub fn advance(&mut self, input: &[u8]) -> Result<RequestStep, Fault> {
        self.try_advance(input).inspect_err(|fault| self.state = MachineState::Broken(*fault))
    }

    fn try_advance(&mut self, input: &[u8]) -> Result<RequestStep, Fault> {
        match &mut self.state {
            MachineState::Head { .. } => self.advance_head(input),
            MachineState::Length { left } => {
                let length = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                if *left == 0 {
                    self.state = MachineState::Ending;
                }
                Ok(RequestStep {
                    consumed: length,
                    event: if length == 0 { RequestEvent::NeedMore } else { RequestEvent::Body(0..length) },
                })
            }
            MachineState::Chunked(decoder) => {
                let (consumed, chunk) = decoder.advance(input)?;
                let event = match chunk {
                    Chunk::More => RequestEvent::NeedMore,
                    Chunk::Data(range) => RequestEvent::Body(range),
                    Chunk::End => {
                        self.state = MachineState::Head { scanned: 0, empty_lines: 0 };
                        RequestEvent::End
                    }
                };
                Ok(RequestStep { consumed, event })
            }
            MachineState::Ending => {
                self.state = MachineState::Head { scanned: 0, empty_lines: 0 };
                Ok(RequestStep { consumed: 0, event: RequestEvent::End })
            }
            MachineState::Broken(fault) => Err(*fault),
        }
    }

    fn advance_head(&mut self, input: &[u8]) -> Result<RequestStep, Fault> {
        if input.is_empty() {
            return Ok(RequestStep { consumed: 0, event: RequestEvent::NeedMore });
        }
        let MachineState::Head { scanned, mut empty_lines } = self.state else {
            unreachable!("called in a head only")
        };
        let mut start = 0;
        while input[start..].starts_with(b"\r\n") {
            start += 2;
            empty_lines += 1;
            if empty_lines > MAX_EMPTY_LINES {
                return Err(Fault::BadRequest("too many empty lines before the request"));
            }
        }
        let input = &input[start..];
        let scanned = if start > 0 { 0 } else { scanned };

        // The end may begin in the bytes already scanned.
        let from = scanned.saturating_sub(3);
        let end = HEAD_END.find(&input[from..]).map(|at| from + at + 4);
        let known = end.unwrap_or(input.len());
        if scanned <= MAX_METHOD && known > MAX_METHOD && !input[..=MAX_METHOD].contains(&b' ') {
            return Err(LONG_METHOD);
        }
        self.check_sizes(&input[..known])?;
        let Some(end) = end else {
            check_partial_head(input, scanned)?;
            self.state = MachineState::Head { scanned: input.len(), empty_lines };
            return Ok(RequestStep { consumed: start, event: RequestEvent::NeedMore });
        };

        self.facts = head::parse(&input[..end], self.limits.fields, &mut self.head)?;
        self.state = match self.facts.body {
            BodyFraming::None => MachineState::Ending,
            BodyFraming::Length(length) if self.limits.body.is_some_and(|limit| length > limit) => {
                return Err(Fault::ContentTooLarge);
            }
            BodyFraming::Length(left) => MachineState::Length { left },
            BodyFraming::Chunked => MachineState::Chunked(Box::new(ChunkedDecoder::new(
                self.limits.header_size,
                self.limits.fields,
                self.limits.body,
            ))),
        };
        Ok(RequestStep { consumed: start + end, event: RequestEvent::Head })
    }

    /// Checks a head, complete or not, against the limits.
    fn check_sizes(&self, head: &[u8]) -> Result<(), Fault> {
        let limits = &self.limits;
        if head.len() <= limits.request_line.min(limits.header_size) {
            return Ok(());
        }
        let line = memmem::find(&head[..head.len().min(limits.request_line + 2)], b"\r\n");
        match line {
            // A CR at the very end may be half of the line's end.
            None if head.len() > limits.request_line + 1 => Err(Fault::UriTooLong),
            None => Ok(()),
            Some(line) if head.len() - line - 2 > limits.header_size => Err(Fault::FieldsTooLarge),
            Some(_) => Ok(()),
        }
    }
}

/// Finds bytes that cannot be part of a head, so that they are refused at once and not at a timeout.
fn check_partial_head(input: &[u8], scanned: usize) -> Result<(), Fault> {
    let from = scanned.saturating_sub(1);
    for (at, &byte) in input.iter().enumerate().skip(from) {
        let fault = match byte {
            b'\n' if at == 0 || input[at - 1] != b'\r' => "a line ends in LF without CR",
            b'\r' if input.get(at + 1).is_some_and(|&next| next != b'\n') => "a line ends in CR without LF",
            0..=8 | 11 | 12 | 14..=31 | 127 => "the head has a control character",
            _ => continue,
        };
        return Err(Fault::BadRequest(fault));
    }
    Ok(())
}
