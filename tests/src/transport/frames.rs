//! HTTP/2 in frames that a well-made library does not send.

use crate::client::Client;
use crate::server::Server;

/// A connection with prior knowledge, on which requests are written by hand.
#[derive(Debug)]
pub struct Frames {
    client: Client,
    next: u32,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was a response.
    Answered,
    /// The stream was reset, with this code (RFC 9113 section 7).
    Reset(u32),
    /// The connection was ended, with this code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// `PROTOCOL_ERROR`.
pub const PROTOCOL_ERROR: u32 = 1;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const GOAWAY: u8 = 7;
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Frames {
    /// Connects, and sends the preface and empty settings.
    pub fn connect(server: &Server) -> Self {
        let mut frames = Self { client: server.connect(), next: 1 };
        frames.client.send(PREFACE);
        frames.send(kind::SETTINGS, 0, 0, &[]);
        frames
    }

    /// Begins a request with a header block of these fields, in this order, without a body unless `more`; gives its
    /// stream.
    pub fn request(&mut self, fields: &[(&str, &str)], more: bool) -> u32 {
        let stream = self.next;
        self.next += 2;
        let flags = END_HEADERS | if more { 0 } else { END_STREAM };
        self.send(kind::HEADERS, flags, stream, &block(fields));
        stream
    }

    /// Sends a piece of a body.
    pub fn data(&mut self, stream: u32, piece: &[u8], last: bool) {
        self.send(kind::DATA, if last { END_STREAM } else { 0 }, stream, piece);
    }

    /// Sends trailers, which end the body.
    pub fn trailers(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(fields));
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // What the server does about what came before shows in what is read.
        let _ = self.client.try_send([&head, payload].concat());
    }

    /// Reads until it is known what becomes of a request.
    pub fn outcome(&mut self, of: u32) -> Outcome {
        loop {
            if !self.client.responses().has(9) {
                return Outcome::Closed;
            }
            let head = self.client.take(9);
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if !self.client.responses().has(length) {
                return Outcome::Closed;
            }
            let payload = self.client.take(length);
            let code = |at: usize| {
                u32::from_be_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]])
            };
            match head[3] {
                kind::HEADERS if stream == of => return Outcome::Answered,
                kind::RST_STREAM if stream == of => return Outcome::Reset(code(0)),
                kind::GOAWAY => return Outcome::GoAway(code(4)),
                _ => {}
            }
        }
    }
}

/// Fields as literals without indexing and without Huffman codes (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // As latin-1, so that a test can send any byte.
            let bytes: Vec<_> = text.chars().map(|c| u8::try_from(c).expect("latin-1")).collect();
            integer(&mut block, bytes.len());
            block.extend(bytes);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    let Some(mut rest) = value.checked_sub(127) else {
        return block.push(u8::try_from(value).expect("seven bits"));
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("seven bits"));
}
