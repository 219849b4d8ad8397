//! Filters frames from the client to `h2`. All pass unchanged, except field blocks for which `h2` would end the
//! connection although only the stream is at fault. Those are replaced; see [`Block`].
//!
//! Blocks in CONTINUATION frames are put together, because `h2` ends the connection if it resets the stream of an
//! incomplete block.

use super::PREFACE;
use super::field_block::Block;

/// The largest block that is held back until it is complete, with the heads of its frames. Larger ones pass unchecked.
const MAX_BLOCK: usize = 64 * 1024;

const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// The verdict on the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Screened {
    /// Pass this many bytes.
    Pass(usize),
    /// Wait for more bytes.
    Hold,
    /// Instead of this many bytes, pass these.
    Replace(usize, Vec<u8>),
}

/// Filters the frames of one client.
#[derive(Debug)]
pub struct Screen {
    max_frame_size: usize,
    /// How many bytes are left of a frame that passes, or of the preface.
    passing: usize,
    /// How many bytes of an incomplete block's frames have been seen.
    gathered: usize,
}

impl Screen {
    /// At the start of a connection.
    pub fn new(max_frame_size: u32) -> Self {
        Self {
            max_frame_size: usize::try_from(max_frame_size).unwrap_or(usize::MAX),
            passing: PREFACE.len(),
            gathered: 0,
        }
    }

    /// Examines all received bytes that have not passed yet.
    pub fn look(&mut self, input: &[u8]) -> Screened {
        let mut passed = 0;
        loop {
            let part = self.passing.min(input.len() - passed);
            self.passing -= part;
            passed += part;
            if passed == input.len() {
                break;
            }
            match self.frame(&input[passed..]) {
                Screened::Pass(length) => self.passing = length,
                Screened::Hold => break,
                // Pass the bytes before it first; the next call finds it again.
                Screened::Replace(..) if passed > 0 => break,
                replace => return replace,
            }
        }
        if passed > 0 { Screened::Pass(passed) } else { Screened::Hold }
    }

    /// Examines a frame and its continuations.
    fn frame(&mut self, input: &[u8]) -> Screened {
        let Some(first) = Frame::read(input) else {
            return Screened::Hold;
        };
        if first.kind != HEADERS {
            return Screened::Pass(first.length);
        }
        let mut end = std::mem::take(&mut self.gathered);
        loop {
            let Some(frame) = Frame::read(&input[end..]) else {
                self.gathered = end;
                return Screened::Hold;
            };
            let belongs = end == 0 || frame.kind == CONTINUATION && frame.stream == first.stream;
            if !belongs || frame.length - HEAD > self.max_frame_size || end + frame.length > MAX_BLOCK {
                return Screened::Pass(first.length);
            }
            if input.len() < end + frame.length {
                self.gathered = end;
                return Screened::Hold;
            }
            end += frame.length;
            if frame.flags & END_HEADERS != 0 {
                break;
            }
        }
        self.block(&first, &input[..end]).unwrap_or(Screened::Pass(end))
    }

    /// Examines all frames of a block. None if they pass unchanged.
    fn block(&self, first: &Frame, frames: &[u8]) -> Option<Screened> {
        let beginning = first.fragment(frames)?;
        if first.length == frames.len() {
            return match Block::of(beginning) {
                Block::Replaced(block) => Some(Screened::Replace(frames.len(), self.write(first, &block))),
                Block::Readable | Block::Broken => None,
            };
        }
        let mut block = beginning.to_vec();
        let mut rest = &frames[first.length..];
        while let Some(frame) = Frame::read(rest) {
            block.extend_from_slice(&rest[HEAD..frame.length]);
            rest = &rest[frame.length..];
        }
        match Block::of(&block) {
            Block::Readable => {}
            Block::Replaced(replaced) => block = replaced,
            Block::Broken => return None,
        }
        Some(Screened::Replace(frames.len(), self.write(first, &block)))
    }

    /// Writes a block in as few frames as possible, without padding or priority.
    fn write(&self, first: &Frame, block: &[u8]) -> Vec<u8> {
        let mut frames = Vec::with_capacity(block.len() + HEAD);
        let (mut kind, mut flags, mut rest) = (HEADERS, first.flags & END_STREAM, block);
        loop {
            let (fragment, behind) = rest.split_at(rest.len().min(self.max_frame_size));
            if behind.is_empty() {
                flags |= END_HEADERS;
            }
            frames.extend_from_slice(&(fragment.len() as u32).to_be_bytes()[1..]);
            frames.extend_from_slice(&[kind, flags]);
            frames.extend_from_slice(&first.stream.to_be_bytes());
            frames.extend_from_slice(fragment);
            if behind.is_empty() {
                return frames;
            }
            (kind, flags, rest) = (CONTINUATION, 0, behind);
        }
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Including the head.
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn read(input: &[u8]) -> Option<Self> {
        let &[high, middle, low, kind, flags, a, b, c, d] = input.first_chunk::<HEAD>()?;
        Some(Self {
            length: HEAD + u32::from_be_bytes([0, high, middle, low]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([a & 0x7f, b, c, d]),
        })
    }

    /// The fragment of a field block in a HEADERS frame. None if the frame is malformed.
    fn fragment<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let mut fragment = &input[HEAD..self.length];
        let mut padding = 0;
        if self.flags & PADDED != 0 {
            let (&length, rest) = fragment.split_first()?;
            (padding, fragment) = (usize::from(length), rest);
        }
        if self.flags & PRIORITY != 0 {
            let (&[a, b, c, d, _weight], rest) = fragment.split_first_chunk()?;
            if u32::from_be_bytes([a & 0x7f, b, c, d]) == self.stream {
                return None;
            }
            fragment = rest;
        }
        fragment.get(..fragment.len().checked_sub(padding)?)
    }
}

#[cfg(test)]
mod tests;
