//! Frames on their way from the client to `h2`: all go through as they are, except field blocks that `h2` would end
//! the connection for, though only their stream is wrong. Those are replaced; see [`Block`].
//!
//! Blocks in CONTINUATION frames are put together, since `h2` gives up on the connection when it has reset the
//! stream of a block whose end is still to come.

use super::PREFACE;
use super::field_block::Block;

/// How much of a block is waited for, with the heads of its frames. A larger one goes through unseen.
const MAX_BLOCK: usize = 64 * 1024;

const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// The verdict on the bytes that have come.
#[derive(Debug, PartialEq, Eq)]
pub enum Screened {
    /// So many go through.
    Pass(usize),
    /// More must come.
    Hold,
    /// Instead of so many of them, these go through.
    Replace(usize, Vec<u8>),
}

/// Screens the frames of one client.
#[derive(Debug)]
pub struct Screen {
    max_frame_size: usize,
    /// The rest of a frame that goes through, or of the preface.
    passing: usize,
    /// How much of the frames of a block has been seen that is not complete.
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

    /// Looks at all bytes that have come and have not gone through yet.
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
                // It is found again when the bytes before it have gone.
                Screened::Replace(..) if passed > 0 => break,
                replace => return replace,
            }
        }
        if passed > 0 { Screened::Pass(passed) } else { Screened::Hold }
    }

    /// Looks at a frame, and at those that continue it.
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

    /// Looks at all frames of a block. None if they go through as they are.
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

    /// A block in as few frames as it takes, with neither padding nor priority.
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
    /// That of the head included.
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

    /// The part of a field block that is in a HEADERS frame. None if the frame is malformed.
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
