//! The receiving half: a client's bytes in, whole messages and control frames out.
//!
//! [`Receiver::advance`] is input. The caller owns the buffer, passes the bytes that have arrived and are not consumed
//! yet, and drops as many as a [`FrameStep`] consumed. Masks are removed in place. A compressed message stays
//! compressed until the application receives it ([`Codecs::inflate`](super::Codecs::inflate)), so it costs no more
//! memory than the client sent bytes.

use std::ops::Range;

use pounce_asgi::MessageKind;

use super::frame::{self, Head, Opcode};
use super::mask::unmask;
use super::{FrameFault, is_close_code};

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of a message, as sent.
    pub message: usize,
    /// Frames of a message.
    pub fragments: u32,
}

/// An event of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameEvent {
    /// More input is needed.
    NeedMore,
    /// A part of a message, which is kept.
    Fragment,
    /// A whole message, at this range of the input.
    Message(MessageKind, Range<usize>),
    /// A whole message, assembled from parts; see [`Receiver::take_message`].
    Assembled(MessageKind),
    /// The same, still compressed.
    Compressed(MessageKind),
    /// A ping; answer it with the same payload.
    Ping(Range<usize>),
    /// A pong.
    Pong,
    /// The client closes, with a code if it gave one. No event follows.
    Close(Option<u16>, String),
}

/// One step of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameStep {
    /// How many bytes of the input are consumed, including those of an event's range.
    pub consumed: usize,
    /// The event in them.
    pub event: FrameEvent,
}

/// Reads the frames of one client.
#[derive(Debug)]
pub struct Receiver {
    limits: MessageLimits,
    /// Whether compression was negotiated.
    deflate: bool,
    /// The message being received.
    message: Option<Message>,
    /// The frame being received, and how much of its payload has come.
    frame: Option<(Head, u64)>,
    /// A message that is complete, until it is taken.
    done: Vec<u8>,
    /// Whether messages are dropped.
    discards: bool,
    broken: Option<FrameFault>,
    closed: bool,
}

/// A message being received.
#[derive(Debug)]
struct Message {
    kind: MessageKind,
    compressed: bool,
    bytes: Vec<u8>,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    fragments: u32,
}

impl Receiver {
    /// At the start of a connection. `deflate` says whether compression was negotiated.
    pub fn new(limits: MessageLimits, deflate: bool) -> Self {
        Self {
            limits,
            deflate,
            message: None,
            frame: None,
            done: Vec::new(),
            discards: false,
            broken: None,
            closed: false,
        }
    }

    /// The limits passed to [`Receiver::new`].
    pub fn limits(&self) -> MessageLimits {
        self.limits
    }

    /// Takes the message of [`FrameEvent::Assembled`] or [`FrameEvent::Compressed`]. An uncompressed text is valid
    /// UTF-8.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.done)
    }

    /// How many bytes of an incomplete message are kept.
    pub fn kept(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.bytes.len())
    }

    /// Drops messages from now on: only the client's close frame still matters.
    pub fn discard_messages(&mut self) {
        self.discards = true;
        if let Some(message) = &mut self.message {
            message.bytes = Vec::new();
        }
    }

    /// Takes `input`, which starts at the first byte not yet consumed.
    ///
    /// # Errors
    /// The client's fault. The machine then stays broken: every later call returns the same fault.
    pub fn advance(&mut self, input: &mut [u8]) -> Result<FrameStep, FrameFault> {
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        self.try_advance(input).inspect_err(|fault| {
            self.broken = Some(*fault);
            self.message = None;
        })
    }

    fn try_advance(&mut self, input: &mut [u8]) -> Result<FrameStep, FrameFault> {
        if self.closed {
            return Ok(FrameStep { consumed: input.len(), event: FrameEvent::NeedMore });
        }
        if let Some((head, come)) = self.frame {
            return self.advance_payload(head, come, input, 0);
        }
        let Some((head, size)) = frame::parse(input)? else {
            if let [first, ..] = *input {
                self.check_order(first & 0x40 != 0, first & 0x0f)?;
            }
            return Ok(FrameStep { consumed: 0, event: FrameEvent::NeedMore });
        };
        self.check_order(head.compressed, head.opcode as u8)?;
        let payload = &mut input[size..];
        if head.opcode.is_control() {
            // A length up to 125 fits any platform's usize.
            let length = head.length as usize;
            if payload.len() < length {
                return Ok(FrameStep { consumed: 0, event: FrameEvent::NeedMore });
            }
            unmask(&mut payload[..length], head.mask, 0);
            let event = self.control(head.opcode, size..size + length, &payload[..length])?;
            return Ok(FrameStep { consumed: size + length, event });
        }
        let begun = self.message.as_ref().map_or(0, |message| message.bytes.len());
        if head.length > (self.limits.message - begun.min(self.limits.message)) as u64 {
            return Err(FrameFault::TooBig("the message is larger than this server allows"));
        }
        let whole = head.last && head.opcode != Opcode::Continuation && !head.compressed;
        if whole && payload.len() as u64 >= head.length {
            let length = head.length as usize;
            let kind = kind(head.opcode);
            unmask(&mut payload[..length], head.mask, 0);
            if kind == MessageKind::Text && std::str::from_utf8(&payload[..length]).is_err() {
                return Err(FrameFault::Data("the text is not UTF-8"));
            }
            return Ok(FrameStep {
                consumed: size + length,
                event: FrameEvent::Message(kind, size..size + length),
            });
        }
        self.begin_fragment(head)?;
        self.advance_payload(head, 0, input, size)
    }

    /// Whether a frame may come now.
    fn check_order(&self, compressed: bool, opcode: u8) -> Result<(), FrameFault> {
        let data = opcode == Opcode::Text as u8 || opcode == Opcode::Binary as u8;
        if compressed && !(data && self.deflate) {
            return Err(FrameFault::Protocol("a reserved bit is set"));
        }
        if data && self.message.is_some() {
            return Err(FrameFault::Protocol("a message begins in the middle of another"));
        }
        if opcode == Opcode::Continuation as u8 && self.message.is_none() {
            return Err(FrameFault::Protocol("a continuation continues nothing"));
        }
        Ok(())
    }

    fn begin_fragment(&mut self, head: Head) -> Result<(), FrameFault> {
        let message = self.message.get_or_insert_with(|| Message {
            kind: kind(head.opcode),
            compressed: head.compressed,
            bytes: Vec::new(),
            checked: 0,
            fragments: 0,
        });
        message.fragments += 1;
        if message.fragments > self.limits.fragments {
            return Err(FrameFault::TooBig("the message has more fragments than this server allows"));
        }
        Ok(())
    }

    /// Takes the received part of a payload, which starts at `start` in the input.
    fn advance_payload(
        &mut self,
        head: Head,
        come: u64,
        input: &mut [u8],
        start: usize,
    ) -> Result<FrameStep, FrameFault> {
        let payload = &mut input[start..];
        let left = usize::try_from(head.length - come).unwrap_or(usize::MAX);
        let length = payload.len().min(left);
        let piece = &mut payload[..length];
        unmask(piece, head.mask, come);
        let Some(message) = &mut self.message else { unreachable!("a data frame has begun its message") };
        let complete = length == left;
        if !self.discards {
            message.take(piece, head.last && complete)?;
        }
        let consumed = start + length;
        if !complete {
            self.frame = Some((head, come + length as u64));
            let event = if consumed > 0 { FrameEvent::Fragment } else { FrameEvent::NeedMore };
            return Ok(FrameStep { consumed, event });
        }
        self.frame = None;
        if !head.last {
            return Ok(FrameStep { consumed, event: FrameEvent::Fragment });
        }
        let Some(message) = self.message.take() else { unreachable!("it was there a moment ago") };
        self.done = message.bytes;
        let told = if message.compressed { FrameEvent::Compressed } else { FrameEvent::Assembled };
        Ok(FrameStep { consumed, event: told(message.kind) })
    }

    fn control(
        &mut self,
        opcode: Opcode,
        range: Range<usize>,
        payload: &[u8],
    ) -> Result<FrameEvent, FrameFault> {
        match opcode {
            Opcode::Ping => return Ok(FrameEvent::Ping(range)),
            Opcode::Pong => return Ok(FrameEvent::Pong),
            _ => {}
        }
        let (code, reason) = match payload {
            [] => (None, ""),
            [_] => return Err(FrameFault::Protocol("a close frame has half a code")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !is_close_code(code) {
                    return Err(FrameFault::Protocol("the close code must not be sent"));
                }
                let reason = std::str::from_utf8(reason);
                (Some(code), reason.map_err(|_| FrameFault::Data("the close reason is not UTF-8"))?)
            }
        };
        self.closed = true;
        Ok(FrameEvent::Close(code, reason.to_owned()))
    }
}

impl Message {
    /// Adds a piece; the last one if `last`.
    fn take(&mut self, piece: &[u8], last: bool) -> Result<(), FrameFault> {
        self.bytes.extend_from_slice(piece);
        if self.kind == MessageKind::Text && !self.compressed {
            match std::str::from_utf8(&self.bytes[self.checked..]) {
                Ok(_) => self.checked = self.bytes.len(),
                Err(error) if error.error_len().is_none() && !last => self.checked += error.valid_up_to(),
                Err(_) => return Err(FrameFault::Data("the text is not UTF-8")),
            }
        }
        Ok(())
    }
}

fn kind(opcode: Opcode) -> MessageKind {
    if opcode == Opcode::Text { MessageKind::Text } else { MessageKind::Binary }
}
