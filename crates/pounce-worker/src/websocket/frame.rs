//! The head of one frame (RFC 6455 section 5.2).

use super::FrameFault;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A client's frame head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) last: bool,
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) length: u64,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Reads a head from the start of `input`, and its size. `None` if it is incomplete; the part received is still
/// checked.
pub(super) fn parse(input: &[u8]) -> Result<Option<(Head, usize)>, FrameFault> {
    let Some(&first) = input.first() else { return Ok(None) };
    if first & 0x30 != 0 {
        return Err(FrameFault::Protocol("a reserved bit is set"));
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(FrameFault::Protocol("the opcode is not known")),
    };
    let last = first & 0x80 != 0;
    let Some(&second) = input.get(1) else { return Ok(None) };
    if second & 0x80 == 0 {
        return Err(FrameFault::Protocol("a client's frame must be masked"));
    }
    let short = second & 0x7f;
    if opcode.is_control() && (short > 125 || !last) {
        return Err(FrameFault::Protocol("a control frame is fragmented or too long"));
    }
    let rest = &input[2..];
    let (length, size) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    let minimal = match size {
        2 => length > 125,
        8 => (0x1_0000..1 << 63).contains(&length),
        _ => true,
    };
    if !minimal {
        return Err(FrameFault::Protocol("a length is not in its shortest form"));
    }
    let Some(mask) = rest[size..].first_chunk::<4>() else { return Ok(None) };
    let head = Head { last, compressed: first & 0x40 != 0, opcode, mask: *mask, length };
    Ok(Some((head, 2 + size + 4)))
}

/// A server's frame head, whole and unmasked; the second result is its size.
pub(super) fn encode(opcode: Opcode, compressed: bool, length: usize) -> ([u8; 10], usize) {
    let mut head = [0; 10];
    head[0] = 0x80 | if compressed { 0x40 } else { 0 } | opcode as u8;
    let size = match length {
        0..=125 => {
            head[1] = length as u8;
            2
        }
        126..=0xffff => {
            head[1] = 126;
            head[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    (head, size)
}
