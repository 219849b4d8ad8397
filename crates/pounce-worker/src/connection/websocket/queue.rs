//! Messages that were read ahead of the application, in order. A compressed one stays compressed until it is taken.

use std::collections::VecDeque;
use std::ops::Range;

use pounce_asgi::MessageKind;

use super::super::input::Input;
use crate::websocket::{Codecs, FrameFault};

/// How many bytes are read ahead before only what has begun is read to its end.
const READ_AHEAD: usize = 64 * 1024;

/// Messages that nobody has taken.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    /// A message that lies in the input until the application, which waits for it, takes it. Then nothing else is here.
    lying: Option<(MessageKind, Range<usize>)>,
    messages: VecDeque<QueuedMessage>,
    bytes: usize,
}

#[derive(Debug)]
struct QueuedMessage {
    kind: MessageKind,
    compressed: bool,
    bytes: Vec<u8>,
}

impl MessageQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.lying.is_none() && self.messages.is_empty()
    }

    /// Bytes in memory of its own.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_lying(&self) -> bool {
        self.lying.is_some()
    }

    /// Whether another message may be read.
    pub(super) fn has_room(&self, max_messages: usize) -> bool {
        self.lying.is_none() && self.messages.len() < max_messages && self.bytes < READ_AHEAD
    }

    /// Leaves a message where it was read. Nothing else may be in the queue.
    pub(super) fn lay(&mut self, kind: MessageKind, range: Range<usize>) {
        self.lying = Some((kind, range));
    }

    pub(super) fn push(&mut self, kind: MessageKind, compressed: bool, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.messages.push_back(QueuedMessage { kind, compressed, bytes });
    }

    /// Copies what lies in the input, so that it can be read on.
    pub(super) fn pick_up(&mut self, input: &Input) {
        if let Some((kind, range)) = self.lying.take() {
            let bytes = input.part(range).to_vec();
            self.push(kind, false, bytes);
        }
    }

    /// Calls `take` with the next message. False if there is none.
    ///
    /// # Errors
    /// The client's fault, of a message that cannot be inflated or is no text. It is not in the queue any more.
    pub(super) fn take(
        &mut self,
        input: &Input,
        (codecs, limit): (&Codecs, usize),
        take: &mut dyn FnMut(MessageKind, &[u8]),
    ) -> Result<bool, FrameFault> {
        if let Some(QueuedMessage { kind, compressed, bytes }) = self.messages.pop_front() {
            self.bytes -= bytes.len();
            if compressed {
                take(kind, &codecs.inflate(kind, &bytes, limit)?);
            } else {
                take(kind, &bytes);
            }
        } else if let Some((kind, range)) = self.lying.take() {
            take(kind, input.part(range));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
