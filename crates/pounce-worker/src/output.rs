//! Bytes to write, in order: small pieces are gathered, large pieces and files kept as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;
use std::task::Poll;

use bytes::Bytes;
use pounce_asgi::{FileBody, Payload};

/// From this size on a shared piece is kept rather than copied to the gathered bytes.
const KEEP_FROM: usize = 16 * 1024;

/// Fewer written bytes than this are not removed from the front.
const COMPACT_FROM: usize = 4 * 1024;

/// How much of a file is read at once if sendfile is not possible.
const FILE_PIECE: usize = 64 * 1024;

/// Appends the next piece of a file to `buffer`, at most `limit` bytes of it.
///
/// # Errors
/// Those of `pread(2)`, and [`io::ErrorKind::UnexpectedEof`] if the file has become shorter.
pub(crate) fn read_piece(file: &FileBody, limit: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let count = usize::try_from(file.length).unwrap_or(usize::MAX).min(limit).min(FILE_PIECE);
    match pounce_net::read_at(file.file.as_fd(), file.offset, count, buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// Logs that a response breaks off because of its file, after its length was announced to the client.
pub(crate) fn broken_file(error: &io::Error, missing: u64) {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        tracing::error!(
            target: "pounce",
            "a file became shorter while it was sent; the response breaks off {missing} bytes before its end",
        );
    } else {
        tracing::error!(
            target: "pounce",
            "cannot read a file that is being sent: {error}; the response breaks off {missing} bytes before its end",
        );
    }
}

/// The unwritten output of one connection.
#[derive(Debug, Default)]
pub struct Output {
    /// Gathered bytes that come first; those before `written` have been written.
    front: Vec<u8>,
    written: usize,
    /// The output after `front`.
    rest: VecDeque<Segment>,
    /// Bytes in `rest`, files included.
    rest_length: u64,
}

#[derive(Debug)]
enum Segment {
    Gathered(Vec<u8>),
    Shared(Bytes),
    File(FileBody),
}

impl Output {
    /// Nothing to write.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes wait, files included.
    pub fn len(&self) -> u64 {
        (self.front.len() - self.written) as u64 + self.rest_length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.written == self.front.len() && self.rest.is_empty()
    }

    /// The buffer for small pieces. The caller must report appended bytes with [`Output::gathered`].
    fn tail(&mut self) -> &mut Vec<u8> {
        if self.rest.is_empty() {
            return &mut self.front;
        }
        if !matches!(self.rest.back(), Some(Segment::Gathered(_))) {
            self.rest.push_back(Segment::Gathered(Vec::new()));
        }
        match self.rest.back_mut() {
            Some(Segment::Gathered(bytes)) => bytes,
            _ => unreachable!("a gathering segment was just made sure of"),
        }
    }

    /// Adds a small piece.
    pub fn extend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !self.rest.is_empty() {
            self.rest_length += bytes.len() as u64;
        }
        self.tail().extend_from_slice(bytes);
    }

    /// Adds a buffer's content and empties the buffer: swapped in if nothing waits, else copied.
    pub fn append(&mut self, buffer: &mut Vec<u8>) {
        if self.is_empty() && self.front.capacity() <= buffer.capacity() {
            self.front.clear();
            self.written = 0;
            std::mem::swap(&mut self.front, buffer);
        } else {
            self.extend(buffer);
            buffer.clear();
        }
    }

    /// Adds a piece of a body.
    pub fn push(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::Shared(bytes) if bytes.len() >= KEEP_FROM => {
                self.rest_length += bytes.len() as u64;
                self.rest.push_back(Segment::Shared(bytes));
            }
            other => self.extend(other.as_slice()),
        }
    }

    /// Adds a part of a file.
    pub fn push_file(&mut self, file: FileBody) {
        self.rest_length += file.length;
        self.rest.push_back(Segment::File(file));
    }

    /// The bytes to write next, up to a file; returns how many slices were filled. 0 means that a file is next, or
    /// nothing.
    pub fn slices<'s>(&'s self, slices: &mut [IoSlice<'s>]) -> usize {
        let front = &self.front[self.written..];
        let rest = self.rest.iter().map_while(|segment| match segment {
            Segment::Gathered(bytes) => Some(&bytes[..]),
            Segment::Shared(bytes) => Some(&bytes[..]),
            Segment::File(_) => None,
        });
        let mut filled = 0;
        for bytes in std::iter::once(front).chain(rest).filter(|bytes| !bytes.is_empty()) {
            if filled == slices.len() {
                break;
            }
            slices[filled] = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// Lets `write` write some of the output, up to a file. Returns how much it wrote.
    pub(crate) fn poll_write(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = self.slices(&mut slices);
        let written = write(&slices[..filled]);
        if let Poll::Ready(Ok(count)) = written {
            self.advance(count);
        }
        written
    }

    /// The file to send next, if no bytes come before it.
    pub fn file(&self) -> Option<&FileBody> {
        if self.written < self.front.len() {
            return None;
        }
        match self.rest.front() {
            Some(Segment::File(file)) => Some(file),
            _ => None,
        }
    }

    /// Notes that this many bytes of what [`Output::slices`] gave have been written.
    pub fn advance(&mut self, mut written: usize) {
        loop {
            let front = (self.front.len() - self.written).min(written);
            self.written += front;
            written -= front;
            self.compact();
            if written == 0 {
                return;
            }
            match self.rest.front_mut() {
                // Make it the front, so that later writes do not move its bytes.
                Some(Segment::Gathered(bytes)) => {
                    self.rest_length -= bytes.len() as u64;
                    self.front = std::mem::take(bytes);
                    self.written = 0;
                }
                Some(Segment::Shared(bytes)) if written < bytes.len() => {
                    bytes::Buf::advance(bytes, written);
                    self.rest_length -= written as u64;
                    return;
                }
                Some(Segment::Shared(bytes)) => {
                    self.rest_length -= bytes.len() as u64;
                    written -= bytes.len();
                }
                Some(Segment::File(_)) | None => return,
            }
            self.rest.pop_front();
        }
    }

    /// Drops the written part of the front. With a steady reader the front may never become empty while more is
    /// gathered; moving no more bytes than were written keeps the cost per byte constant.
    fn compact(&mut self) {
        let left = self.front.len() - self.written;
        if left == 0 {
            self.front.clear();
            self.written = 0;
        } else if self.written >= COMPACT_FROM.max(left) {
            self.front.drain(..self.written);
            self.written = 0;
        }
    }

    /// Notes that this many bytes of what [`Output::file`] gave have been written.
    pub fn advance_file(&mut self, written: u64) {
        let Some(Segment::File(file)) = self.rest.front_mut() else { return };
        let written = written.min(file.length);
        file.offset += written;
        file.length -= written;
        self.rest_length -= written;
        if file.length == 0 {
            self.rest.pop_front();
        }
    }

    /// Reads a piece of the next file into memory until it is written.
    ///
    /// # Errors
    /// Those of [`read_piece`].
    pub(crate) fn load_file(&mut self) -> io::Result<()> {
        if self.written < self.front.len() {
            return Ok(());
        }
        let Some(Segment::File(file)) = self.rest.front() else { return Ok(()) };
        self.front.clear();
        self.written = 0;
        let read = read_piece(file, FILE_PIECE, &mut self.front)?;
        self.advance_file(read as u64);
        Ok(())
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.front.clear();
        self.written = 0;
        self.rest.clear();
        self.rest_length = 0;
    }

    /// Takes the gathering buffer away once all is written, so that an idle connection holds none.
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.front.capacity() == 0 {
            return None;
        }
        self.written = 0;
        let mut buffer = std::mem::take(&mut self.front);
        buffer.clear();
        Some(buffer)
    }

    /// Gives a gathering buffer, empty but with room.
    pub fn give_buffer(&mut self, buffer: Vec<u8>) {
        if self.is_empty() && self.front.capacity() == 0 {
            self.front = buffer;
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(output: &mut Output, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            let taken = {
                let mut slices = [IoSlice::new(&[]); 4];
                let filled = output.slices(&mut slices);
                let bytes: Vec<u8> = slices[..filled].iter().flat_map(|s| s.iter().copied()).collect();
                let taken = bytes.len().min(step);
                all.extend_from_slice(&bytes[..taken]);
                taken
            };
            output.advance(taken);
        }
        all
    }

    #[test]
    fn everything_comes_out_in_order_however_little_is_written_at_once() {
        let large = Bytes::from(vec![b'x'; KEEP_FROM]);
        for step in [113, 5000, 1 << 20] {
            let mut output = Output::new();
            let mut expected = Vec::new();
            for round in 0..3 {
                output.extend(b"head");
                output.push(Payload::Shared(large.clone()));
                output.push(Payload::Borrowed(b"small"));
                output.append(&mut vec![b'0' + round]);
                expected.extend_from_slice(b"head");
                expected.extend_from_slice(&large);
                expected.extend_from_slice(b"small");
                expected.push(b'0' + round);
            }
            assert_eq!(output.len(), expected.len() as u64);
            assert!(written(&mut output, step) == expected, "step {step}");
            assert_eq!(output.len(), 0);
        }
    }

    #[test]
    fn written_bytes_are_dropped_while_more_are_gathered() {
        let mut output = Output::new();
        output.extend(&[0; 1000]);
        for round in 0..10_000_usize {
            output.extend(&[round as u8; 1000]);
            output.advance(1000);
        }
        assert_eq!(output.len(), 1000);
        assert!(output.front.capacity() < 32 * 1024, "{} bytes are held", output.front.capacity());
        assert_eq!(written(&mut output, 100), [(9_999_usize % 256) as u8; 1000]);
    }
}
