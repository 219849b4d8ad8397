//! The chunked transfer coding, decoded (RFC 9112 section 7.1).

use std::ops::Range;

use super::Fault;
use super::extension::Extension;

/// How long the extensions of one body's chunks may be in total. The server ignores them.
const MAX_EXTENSIONS: usize = 4 * 1024;

/// A decoder for one body.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: ChunkState,
    extensions: usize,
    /// The trailer section so far, without the empty line that ends it.
    trailers: Vec<u8>,
    max_trailers: usize,
    max_fields: usize,
    /// How many bytes of data the body may still have.
    allowed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    /// In the hexadecimal digits of a size.
    Size { size: u64, digits: u8 },
    /// After the size, in extensions.
    Extension { size: u64, at: Extension },
    /// After the CR of a size line.
    SizeLf { size: u64 },
    /// In a chunk's data.
    Data { left: u64 },
    /// After a chunk's data.
    DataCr,
    /// After the CR that follows a chunk's data.
    DataLf,
    /// In the trailer section. `line` counts the bytes of the current line.
    Trailer { line: usize },
    /// After a CR in the trailer section.
    TrailerLf { line: usize },
    /// After the end.
    Done,
}

/// A result of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Nothing yet: all input was consumed.
    More,
    /// Data, in this part of the input.
    Data(Range<usize>),
    /// The end of the body.
    End,
}

impl ChunkedDecoder {
    /// A decoder for a body of at most `max_body` bytes.
    pub(super) fn new(max_trailers: usize, max_fields: usize, max_body: Option<u64>) -> Self {
        Self {
            state: ChunkState::Size { size: 0, digits: 0 },
            extensions: 0,
            trailers: Vec::new(),
            max_trailers,
            max_fields,
            allowed: max_body.unwrap_or(u64::MAX),
        }
    }

    /// Takes as much of `input` as it needs for one piece of data, and returns how much.
    ///
    /// # Errors
    /// The coding is malformed or exceeds a limit.
    pub(super) fn advance(&mut self, input: &[u8]) -> Result<(usize, Chunk), Fault> {
        let mut at = 0;
        while at < input.len() {
            if let ChunkState::Data { left } = self.state {
                let length = (input.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - length as u64;
                self.state = if left == 0 { ChunkState::DataCr } else { ChunkState::Data { left } };
                return Ok((at + length, Chunk::Data(at..at + length)));
            }
            let byte = input[at];
            at += 1;
            self.state = self.step(byte)?;
            if self.state == ChunkState::Done {
                return Ok((at, Chunk::End));
            }
        }
        Ok((at, Chunk::More))
    }

    /// Takes one byte outside of data.
    fn step(&mut self, byte: u8) -> Result<ChunkState, Fault> {
        Ok(match (self.state, byte) {
            (ChunkState::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == 16 {
                    return Err(Fault::BadRequest("a chunk size has more than 16 digits"));
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                ChunkState::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (ChunkState::Size { digits: 0, .. }, _) => {
                return Err(Fault::BadRequest("a chunk size is malformed"));
            }
            (ChunkState::Size { size, .. }, b'\r') => ChunkState::SizeLf { size },
            (ChunkState::Extension { size, at }, b'\r') if at.is_complete() => ChunkState::SizeLf { size },
            (ChunkState::Size { size, .. }, _) => self.extension(size, Extension::begin(byte))?,
            (ChunkState::Extension { size, at }, _) => self.extension(size, at.step(byte))?,
            (ChunkState::SizeLf { size: 0 }, b'\n') => ChunkState::Trailer { line: 0 },
            (ChunkState::SizeLf { size }, b'\n') => {
                self.allowed = self.allowed.checked_sub(size).ok_or(Fault::ContentTooLarge)?;
                ChunkState::Data { left: size }
            }
            (ChunkState::DataCr, b'\r') => ChunkState::DataLf,
            (ChunkState::DataLf, b'\n') => ChunkState::Size { size: 0, digits: 0 },
            (ChunkState::DataCr | ChunkState::DataLf, _) => {
                return Err(Fault::BadRequest("a chunk is longer than its size"));
            }
            (ChunkState::Trailer { line }, b'\r') => ChunkState::TrailerLf { line },
            (ChunkState::Trailer { line }, _) if byte != b'\n' => {
                self.keep_trailer(&[byte])?;
                ChunkState::Trailer { line: line + 1 }
            }
            (ChunkState::TrailerLf { line: 0 }, b'\n') => {
                self.check_trailers()?;
                ChunkState::Done
            }
            (ChunkState::TrailerLf { .. }, b'\n') => {
                self.keep_trailer(b"\r\n")?;
                ChunkState::Trailer { line: 0 }
            }
            _ => return Err(Fault::BadRequest("the chunked coding is malformed")),
        })
    }

    fn extension(&mut self, size: u64, at: Option<Extension>) -> Result<ChunkState, Fault> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Fault::BadRequest("the chunk extensions are too long"));
        }
        let at = at.ok_or(Fault::BadRequest("a chunk extension is malformed"))?;
        Ok(ChunkState::Extension { size, at })
    }

    fn keep_trailer(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.trailers.len() + bytes.len() > self.max_trailers {
            return Err(Fault::FieldsTooLarge);
        }
        self.trailers.extend_from_slice(bytes);
        Ok(())
    }

    /// Trailers are checked and dropped: ASGI does not support them, and they must not become headers.
    fn check_trailers(&mut self) -> Result<(), Fault> {
        if self.trailers.is_empty() {
            return Ok(());
        }
        self.trailers.extend_from_slice(b"\r\n");
        let mut slots = vec![httparse::EMPTY_HEADER; self.max_fields];
        match httparse::parse_headers(&self.trailers, &mut slots) {
            Ok(httparse::Status::Complete((length, fields))) if length == self.trailers.len() => {
                if fields.iter().any(|field| is_forbidden_trailer(field.name.as_bytes())) {
                    return Err(Fault::BadRequest("a trailer field must not be in trailers"));
                }
                Ok(())
            }
            Err(httparse::Error::TooManyHeaders) => Err(Fault::FieldsTooLarge),
            _ => Err(Fault::BadRequest("the trailer section is malformed")),
        }
    }
}

/// Fields for framing, routing, authentication and content that trailers must not carry (RFC 9110 section
/// 6.5.1).
pub(crate) fn is_forbidden_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: [&str; 20] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    ];
    FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}
