//! Frames, written and read (RFC 9113 §4.1). Nothing is checked: tests send invalid frames too.

use super::code::Code;

/// Frame types (§6).
#[allow(missing_docs)]
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
    /// RFC 9218.
    pub const PRIORITY_UPDATE: u8 = 0x10;
    /// An undefined type.
    pub const UNKNOWN: u8 = 0xbb;
}

/// Flags (§6).
#[allow(missing_docs)]
pub mod flag {
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Settings (§6.5.2).
#[allow(missing_docs)]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    pub const ENABLE_PUSH: u16 = 0x2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    /// RFC 8441.
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
}

/// The number of octets before a frame's payload.
pub const HEADER: usize = 9;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags, whose meaning depends on the type.
    pub flags: u8,
    /// The stream identifier, with the reserved bit.
    pub stream: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Any frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// DATA that leaves the stream open.
    pub fn data(stream: u32, content: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::DATA, 0, stream, content)
    }

    /// HEADERS with a whole field block, leaving the stream open.
    pub fn headers(stream: u32, block: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::HEADERS, flag::END_HEADERS, stream, block)
    }

    /// CONTINUATION that ends the field block.
    pub fn continuation(stream: u32, block: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::CONTINUATION, flag::END_HEADERS, stream, block)
    }

    /// PRIORITY: depends on `parent`.
    pub fn priority(stream: u32, parent: u32) -> Self {
        Self::new(kind::PRIORITY, 0, stream, dependency(parent))
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, code: Code) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.0.to_be_bytes())
    }

    /// SETTINGS.
    pub fn settings(settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// The acknowledgment of SETTINGS.
    pub fn settings_ack() -> Self {
        Self::new(kind::SETTINGS, flag::ACK, 0, [])
    }

    /// PING.
    pub fn ping(payload: &[u8; 8]) -> Self {
        Self::new(kind::PING, 0, 0, *payload)
    }

    /// GOAWAY.
    pub fn goaway(last: u32, code: Code) -> Self {
        Self::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.0.to_be_bytes()].concat())
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    pub fn window_update(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    /// The same frame, ending the stream.
    pub fn end(self) -> Self {
        self.with(flag::END_STREAM)
    }

    /// The same frame with further flags.
    pub fn with(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    /// The same frame without some flags.
    pub fn without(mut self, flags: u8) -> Self {
        self.flags &= !flags;
        self
    }

    /// The same frame with padding after its content.
    pub fn padded(mut self, count: u8) -> Self {
        self.payload.insert(0, count);
        self.payload.resize(self.payload.len() + usize::from(count), 0);
        self.with(flag::PADDED)
    }

    /// The same HEADERS with a dependency on `parent` before its block.
    pub fn depending(mut self, parent: u32) -> Self {
        self.payload.splice(0..0, dependency(parent));
        self.with(flag::PRIORITY)
    }

    /// The octets on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("no test sends 4 GiB").to_be_bytes();
        let mut octets = Vec::with_capacity(HEADER + self.payload.len());
        octets.extend(&length[1..]);
        octets.extend([self.kind, self.flags]);
        octets.extend(self.stream.to_be_bytes());
        octets.extend(&self.payload);
        octets
    }

    /// The first frame in some octets, if complete, and its size.
    pub fn decode(octets: &[u8]) -> Option<(Self, usize)> {
        let header = octets.get(..HEADER)?;
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let payload = octets.get(HEADER..HEADER + length)?;
        let stream = number(&header[5..]) & 0x7fff_ffff;
        Some((Self::new(header[3], header[4], stream, payload), HEADER + length))
    }

    /// Whether all of these flags are set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// Four octets as a number.
pub fn number(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets[..4].try_into().expect("four of them"))
}

/// A dependency that is not exclusive, of weight 16.
fn dependency(parent: u32) -> Vec<u8> {
    let mut octets = parent.to_be_bytes().to_vec();
    octets.push(15);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let frame = Frame::data(5, *b"hello").padded(3).end();
        let octets = frame.encode();
        assert_eq!(octets[..9], [0, 0, 9, 0, 9, 0, 0, 0, 5]);
        assert_eq!(Frame::decode(&octets), Some((frame, octets.len())));
        assert_eq!(Frame::decode(&octets[..octets.len() - 1]), None);
    }

    #[test]
    fn a_dependency_stands_before_the_block() {
        let frame = Frame::headers(1, *b"block").depending(3);
        assert_eq!(frame.payload, b"\0\0\0\x03\x0fblock");
        assert_eq!(frame.flags, flag::END_HEADERS | flag::PRIORITY);
    }
}
