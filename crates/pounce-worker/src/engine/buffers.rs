//! The buffers that a worker's connections share.

use std::cell::RefCell;

/// The size of a read buffer.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// How many unused read buffers a worker keeps.
const KEPT_READ_BUFFERS: usize = 16;

/// How many unused write buffers it keeps. More than read buffers: those filled in a turn are all returned at its end.
const KEPT_WRITE_BUFFERS: usize = 256;

/// Buffers that have grown beyond this are not kept.
const KEPT_CAPACITY: usize = 128 * 1024;

/// Buffers that no connection uses now.
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
