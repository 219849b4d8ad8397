//! Messages read ahead of the application, in order. Compressed messages are inflated when the application takes them.

use std::collections::VecDeque;
use std::ops::Range;

use pounce_asgi::MessageKind;

use super::super::input::Input;
use crate::websocket::{Codecs, FrameFault};

/// When the queue holds this many bytes, no further message is read.
const READ_AHEAD: usize = 64 * 1024;

/// Messages that the application has not taken.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    /// A message left in the input, for which the application waits. It is then the only one in the queue.
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

    /// Bytes held by the queue, without the message left in the input.
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

    /// Leaves a message in the input. The queue must be empty.
    pub(super) fn lay(&mut self, kind: MessageKind, range: Range<usize>) {
        self.lying = Some((kind, range));
    }

    pub(super) fn push(&mut self, kind: MessageKind, compressed: bool, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.messages.push_back(QueuedMessage { kind, compressed, bytes });
    }

    /// Copies the message left in the input, so that reading can go on.
    pub(super) fn pick_up(&mut self, input: &Input) {
        if let Some((kind, range)) = self.lying.take() {
            let bytes = input.part(range).to_vec();
            self.push(kind, false, bytes);
        }
    }

    /// Calls `take` with the next message. False if there is none.
    ///
    /// # Errors
    /// The message cannot be inflated or is not valid text. It has left the queue.
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
