//! Bytes that have arrived but are not consumed yet.

use std::io;
use std::task::Poll;

use crate::engine::{Engine, READ_SIZE};

/// Leftovers up to this size move to a buffer that just fits them, so that a slow client holds little memory.
const SMALL: usize = 4 * 1024;

/// The input buffer of one connection. An idle connection holds none.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    /// The bytes not consumed yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The bytes not consumed yet, to be changed in place.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    /// The size of the buffer.
    pub(super) fn memory(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// The position of the next byte to consume.
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// A part of the buffer, consumed or not.
    pub(super) fn part(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Moves a part of the buffer down.
    pub(super) fn move_down(&mut self, from: std::ops::Range<usize>, to: usize) {
        self.buffer.copy_within(from, to);
    }

    /// Calls `read` to append bytes. Returns their number; 0 is the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        engine: &Engine,
        read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let polled = read(self.room(engine));
        match &polled {
            Poll::Ready(Ok(count)) => self.end += count,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.shrink(engine),
        }
        polled
    }

    /// Returns room to read into. The bytes move, or the buffer grows, when little room is left.
    fn room(&mut self, engine: &Engine) -> &mut [u8] {
        if self.is_empty() {
            if self.buffer.is_empty() {
                self.buffer = engine.buffers.take_read();
            }
            self.start = 0;
            self.end = 0;
        } else if self.buffer.len() < READ_SIZE {
            let mut larger = engine.buffers.take_read();
            larger[..self.len()].copy_from_slice(self.bytes());
            self.end = self.len();
            self.start = 0;
            self.buffer = larger;
        } else if self.buffer.len() - self.end < READ_SIZE / 2 && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            // A head may be larger than a buffer. The machine enforces its limit.
            let mut larger = vec![0; self.buffer.len() * 2].into_boxed_slice();
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            engine.buffers.give_read(std::mem::replace(&mut self.buffer, larger));
        }
        &mut self.buffer[self.end..]
    }

    /// Drops the bytes and gives the buffer back to the pool.
    pub(super) fn give_back(&mut self, engine: &Engine) {
        engine.buffers.give_read(std::mem::take(self).buffer);
    }

    /// Gives a large buffer back to the pool before a wait, if it holds little.
    pub(super) fn shrink(&mut self, engine: &Engine) {
        if self.buffer.is_empty() || self.len() > SMALL {
            return;
        }
        if self.buffer.len() < READ_SIZE && !self.is_empty() {
            return;
        }
        let small: Box<[u8]> = self.bytes().into();
        self.start = 0;
        self.end = small.len();
        engine.buffers.give_read(std::mem::replace(&mut self.buffer, small));
    }
}
