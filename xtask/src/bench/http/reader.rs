//! Parses HTTP/1.1 responses from pieces of any size. Does not store bodies; the caller may.

use std::mem;

use anyhow::{Context, Result, bail, ensure};

/// The longest line of a head: no answer in the benchmark has a longer one.
const LONGEST_LINE: usize = 64 * 1024;

/// What the reader expects next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    StatusLine,
    Field,
    /// The given number of bytes of a body with a known length.
    Body(usize),
    ChunkLength,
    /// The given number of bytes of a chunk.
    Chunk(usize),
    /// The line end after a chunk.
    ChunkEnd,
    Trailer,
}

/// Reads the responses of one connection, one after the other.
#[derive(Debug)]
pub(in crate::bench) struct Reader {
    state: State,
    /// The beginning of an incomplete line.
    partial: Vec<u8>,
    status: u16,
    length: Option<usize>,
    is_chunked: bool,
}

impl Reader {
    pub(in crate::bench) fn new() -> Reader {
        let state = State::StatusLine;
        Reader { state, partial: Vec::new(), status: 0, length: None, is_chunked: false }
    }

    /// Takes the next bytes, up to the end of a response, and passes its body to `keep` piece by piece.
    /// Returns how many it took, and the status once the response is complete.
    pub(in crate::bench) fn take(
        &mut self,
        bytes: &[u8],
        mut keep: impl FnMut(&[u8]),
    ) -> Result<(usize, Option<u16>)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let is_complete = match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let here = left.min(rest.len());
                    keep(&rest[..here]);
                    at += here;
                    self.after_piece(left - here)
                }
                _ => {
                    let end = rest.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
                    let here = end.unwrap_or(rest.len());
                    ensure!(self.partial.len() + here <= LONGEST_LINE, "a line in a response has no end");
                    at += here;
                    if end.is_none() || !self.partial.is_empty() {
                        self.partial.extend_from_slice(&rest[..here]);
                    }
                    if end.is_none() {
                        break;
                    }
                    let partial = mem::take(&mut self.partial);
                    self.line(if partial.is_empty() { &rest[..here] } else { &partial })?
                }
            };
            if is_complete {
                self.state = State::StatusLine;
                return Ok((at, Some(self.status)));
            }
        }
        Ok((at, None))
    }

    /// Goes on after a piece of the body, with `left` bytes to come. Returns whether the response is complete.
    fn after_piece(&mut self, left: usize) -> bool {
        let is_chunk = matches!(self.state, State::Chunk(_));
        self.state = match left {
            0 if is_chunk => State::ChunkEnd,
            _ if is_chunk => State::Chunk(left),
            _ => State::Body(left),
        };
        !is_chunk && left == 0
    }

    /// Parses a whole line. Returns whether the response is complete.
    fn line(&mut self, line: &[u8]) -> Result<bool> {
        let text = std::str::from_utf8(line).unwrap_or_default();
        let Some(text) = text.strip_suffix("\r\n") else {
            bail!("`{}` is no line of a response", String::from_utf8_lossy(line).trim_end());
        };
        match self.state {
            State::StatusLine => {
                let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
                self.status = status.with_context(|| format!("`{text}` is no status line"))?;
                (self.length, self.is_chunked) = (None, false);
                self.state = State::Field;
            }
            State::Field if text.is_empty() => return self.body(),
            State::Field => self.field(text)?,
            State::ChunkLength => {
                let length = text.split(';').next().unwrap_or_default().trim();
                let length = usize::from_str_radix(length, 16);
                self.state = match length.with_context(|| format!("`{text}` is no chunk's length"))? {
                    0 => State::Trailer,
                    length => State::Chunk(length),
                };
            }
            State::ChunkEnd => self.state = State::ChunkLength,
            State::Trailer => return Ok(text.is_empty()),
            State::Body(_) | State::Chunk(_) => {}
        }
        Ok(false)
    }

    fn field(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once(':').with_context(|| format!("`{text}` is no header"))?;
        if name.eq_ignore_ascii_case("content-length") {
            self.length = Some(value.trim().parse()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.is_chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
        Ok(())
    }

    /// Goes on after the head. Returns whether the response is complete.
    fn body(&mut self) -> Result<bool> {
        self.state = match self.length {
            // An interim response: another head follows.
            _ if (100..200).contains(&self.status) => State::StatusLine,
            _ if self.is_chunked => State::ChunkLength,
            Some(0) => return Ok(true),
            Some(length) => State::Body(length),
            None => bail!("the response says neither its length nor that it is chunked"),
        };
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statuses and bodies in `bytes`, read in pieces of length `piece`.
    fn read(bytes: &[u8], piece: usize) -> Result<Vec<(u16, Vec<u8>)>> {
        let (mut reader, mut found, mut body) = (Reader::new(), Vec::new(), Vec::new());
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let (taken, status) = reader.take(piece, |part| body.extend_from_slice(part))?;
                found.extend(status.map(|status| (status, mem::take(&mut body))));
                piece = &piece[taken..];
            }
        }
        Ok(found)
    }

    #[test]
    fn responses_are_read_however_they_are_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\nb;x\r\nllo, world!\r\n0\r\na: b\r\n\r\n\
            HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
        let wanted = vec![(200, b"hello".to_vec()), (201, b"hello, world!".to_vec()), (500, Vec::new())];
        for piece in 1..=bytes.len() {
            assert_eq!(read(bytes, piece).unwrap(), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_response_is_an_error() {
        assert!(read(b"SSH-2.0-OpenSSH\r\n", 99).is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\n", 99).is_err());
        assert!(read(b"HTTP/1.1 200 OK\n", 99).is_err());
        assert!(read(&[b'x'; LONGEST_LINE + 1], 4096).is_err());
    }
}
