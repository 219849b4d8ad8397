//! One frame (RFC 6455 section 5.2), as a client writes it and as it reads a server's.

use std::fmt;

/// Continues a message.
pub const CONTINUATION: u8 = 0;
/// Begins a text message.
pub const TEXT: u8 = 1;
/// Begins a binary message.
pub const BINARY: u8 = 2;
/// Closes.
pub const CLOSE: u8 = 8;
/// Asks for a pong.
pub const PING: u8 = 9;
/// Answers a ping.
pub const PONG: u8 = 10;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte's upper half: FIN 0x80, RSV1 0x40, RSV2 0x20, RSV3 0x10.
    pub bits: u8,
    /// Its kind.
    pub opcode: u8,
    /// Its content.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole message or control frame.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { bits: 0x80, opcode, payload: payload.into() }
    }

    /// A whole text message.
    pub fn text(text: &str) -> Self {
        Self::new(TEXT, text)
    }

    /// A whole binary message.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(BINARY, bytes)
    }

    /// The last continuation.
    pub fn continuation(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(CONTINUATION, bytes)
    }

    /// A ping.
    pub fn ping(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(PING, bytes)
    }

    /// A pong.
    pub fn pong(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(PONG, bytes)
    }

    /// A close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The same without FIN: more follows.
    pub fn unfinished(mut self) -> Self {
        self.bits &= !0x80;
        self
    }

    /// The same with more of the reserved bits.
    pub fn with_bits(mut self, bits: u8) -> Self {
        self.bits |= bits;
        self
    }

    /// Whether it has this kind and FIN, and no reserved bits.
    pub fn is_whole(&self, opcode: u8) -> bool {
        self.opcode == opcode && self.bits == 0x80
    }

    /// The bytes of a client's frame.
    pub fn masked(&self) -> Vec<u8> {
        let mut bytes = self.head(0x80);
        bytes.extend(MASK);
        bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The bytes of a server's frame, which a client must not send.
    pub fn unmasked(&self) -> Vec<u8> {
        [&self.head(0), &self.payload[..]].concat()
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let mut head = vec![self.bits | self.opcode];
        match self.payload.len() {
            length @ 0..=125 => head.push(mask_bit | length as u8),
            length @ 126..=0xffff => {
                head.push(mask_bit | 126);
                head.extend((length as u16).to_be_bytes());
            }
            length => {
                head.push(mask_bit | 127);
                head.extend((length as u64).to_be_bytes());
            }
        }
        head
    }

    /// Reads a server's frame, and its size, from the start of `bytes`, if it is complete.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let [first, second, rest @ ..] = bytes else { return None };
        assert!(second & 0x80 == 0, "a server's frame is not masked: {first:#x} {second:#x}");
        let (length, size) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let shortest = match length {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        assert_eq!(size, shortest, "a length in its shortest form");
        let length = usize::try_from(length).expect("a server sends what fits");
        let payload = rest.get(size..size + length)?.to_vec();
        let frame = Self { bits: first & 0xf0, opcode: first & 0x0f, payload };
        Some((frame, 2 + size + length))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.payload[..self.payload.len().min(80)];
        write!(
            f,
            "frame {:#x} of {} bytes: {}",
            self.bits | self.opcode,
            self.payload.len(),
            start.escape_ascii()
        )
    }
}
