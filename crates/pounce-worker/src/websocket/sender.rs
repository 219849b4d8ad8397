//! The sending half: messages in, bytes out, one frame each.

use std::rc::Rc;

use pounce_asgi::{MessageKind, Payload};

use super::codecs::{Codecs, WindowBits};
use super::frame::{Opcode, encode};
use crate::output::Output;

/// Messages below this size are not worth compressing.
const COMPRESS_FROM: usize = 64;

/// Writes the frames of one connection.
#[derive(Debug)]
pub struct Sender {
    /// The compressors, if compression was negotiated.
    codecs: Option<(Rc<Codecs>, WindowBits)>,
}

impl Sender {
    /// Pass `codecs` if compression was negotiated.
    pub fn new(codecs: Option<(Rc<Codecs>, WindowBits)>) -> Self {
        Self { codecs }
    }

    /// Writes a message.
    pub fn message(&self, kind: MessageKind, payload: Payload<'_>, output: &mut Output) {
        let opcode = match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        let plain = payload.as_slice();
        if let Some((codecs, window)) = &self.codecs
            && plain.len() >= COMPRESS_FROM
            && codecs.deflate(plain, *window, |packed| write(opcode, true, packed, output)).is_some()
        {
            return;
        }
        let (head, size) = encode(opcode, false, plain.len());
        output.extend(&head[..size]);
        output.push(payload);
    }

    /// Writes a ping.
    pub fn ping(&self, payload: &[u8], output: &mut Output) {
        write(Opcode::Ping, false, payload, output);
    }

    /// Writes a pong with the ping's payload.
    pub fn pong(&self, payload: &[u8], output: &mut Output) {
        write(Opcode::Pong, false, payload, output);
    }

    /// Writes a close frame; without a code it is empty. A reason that is too long is cut.
    pub fn close(&self, code: Option<u16>, reason: &str, output: &mut Output) {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload
                .extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(super::MAX_CLOSE_REASON)]);
        }
        write(Opcode::Close, false, &payload, output);
    }
}

fn write(opcode: Opcode, compressed: bool, payload: &[u8], output: &mut Output) {
    let (head, size) = encode(opcode, compressed, payload.len());
    output.extend(&head[..size]);
    output.extend(payload);
}
