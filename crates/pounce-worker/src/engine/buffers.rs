//! The buffers that the connections of a worker take in turn.

use std::cell::RefCell;

/// The size of the buffers that sockets are read into.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// How many unused buffers to read into a worker keeps.
const KEPT_READ_BUFFERS: usize = 16;

/// How many to write into: all that are full at the end of a turn are written and given back one after the other.
const KEPT_WRITE_BUFFERS: usize = 256;

/// A buffer that has grown beyond this is not kept.
const KEPT_CAPACITY: usize = 128 * 1024;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    read: RefCell<Vec<Box<[u8]>>>,
    write: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// A buffer of [`READ_SIZE`] bytes.
    pub(crate) fn take_read(&self) -> Box<[u8]> {
        self.read.borrow_mut().pop().unwrap_or_else(|| vec![0; READ_SIZE].into_boxed_slice())
    }

    pub(crate) fn give_read(&self, buffer: Box<[u8]>) {
        let mut buffers = self.read.borrow_mut();
        if buffer.len() == READ_SIZE && buffers.len() < KEPT_READ_BUFFERS {
            buffers.push(buffer);
        }
    }

    /// An empty buffer to gather output in.
    pub(crate) fn take_write(&self) -> Vec<u8> {
        self.write.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    pub(crate) fn give_write(&self, buffer: Vec<u8>) {
        let mut buffers = self.write.borrow_mut();
        if buffers.len() < KEPT_WRITE_BUFFERS && (1..=KEPT_CAPACITY).contains(&buffer.capacity()) {
            buffers.push(buffer);
        }
    }
}
