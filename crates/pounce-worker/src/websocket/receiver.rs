//! The receiving half: a client's bytes in, whole messages and control frames out.
//!
//! [`Receiver::advance`] is input. The caller owns the buffer, gives what has arrived and is not consumed yet, and
//! drops what a [`FrameStep`] says was consumed. Masks are taken off in place. A compressed message stays compressed: what a
//! client sends costs no more memory than its bytes until somebody wants the message
//! ([`Codecs::inflate`](super::Codecs::inflate)).

use std::ops::Range;

use pounce_asgi::MessageKind;

use super::frame::{self, Head, Opcode};
use super::mask::unmask;
use super::{FrameFault, is_close_code};

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of a message, as it is sent.
    pub message: usize,
    /// Frames of a message.
    pub fragments: u32,
}

/// What the machine found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameEvent {
    /// More input is needed.
    NeedMore,
    /// A part of a message, which is kept.
    Fragment,
    /// A whole message, in this part of the input that was given.
    Message(MessageKind, Range<usize>),
    /// A whole message that was put together; see [`Receiver::take_message`].
    Assembled(MessageKind),
    /// The same, still compressed.
    Compressed(MessageKind),
    /// A ping, to be answered with the same payload.
    Ping(Range<usize>),
    /// A pong.
    Pong,
    /// The client closes, with a code unless it gave none. Nothing more will come.
    Close(Option<u16>, String),
}

/// One step of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameStep {
    /// How many bytes of the input are done with. Those of an event's range count.
    pub consumed: usize,
    /// What they were.
    pub event: FrameEvent,
}

/// Reads the frames of one client.
#[derive(Debug)]
pub struct Receiver {
    limits: MessageLimits,
    /// Compression was agreed on.
    deflate: bool,
    /// The message that has begun.
    message: Option<Message>,
    /// The frame whose payload is on its way, and how much of it has come.
    frame: Option<(Head, u64)>,
    /// A message that is complete, until it is taken.
    done: Vec<u8>,
    /// Nobody wants messages any more.
    discards: bool,
    broken: Option<FrameFault>,
    closed: bool,
}

/// A message that is being put together.
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
    /// At the start of a connection. `deflate` where compression was agreed on.
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

    /// What it was made with.
    pub fn limits(&self) -> MessageLimits {
        self.limits
    }

    /// Takes the message that [`FrameEvent::Assembled`] or [`FrameEvent::Compressed`] told of. A text that is not compressed is
    /// UTF-8.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.done)
    }

    /// How many bytes are kept of a message that is not complete.
    pub fn kept(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.bytes.len())
    }

    /// Keeps nothing of messages from now on: what is awaited is the client's close frame.
    pub fn discard_messages(&mut self) {
        self.discards = true;
        if let Some(message) = &mut self.message {
            message.bytes = Vec::new();
        }
    }

    /// Takes `input`, which starts at the first byte that was not consumed before.
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

    /// Takes what has come of a payload, which starts at `start` in the input.
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
