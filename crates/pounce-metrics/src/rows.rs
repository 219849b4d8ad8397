//! The rows, in memory that processes share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pounce_net::SharedMemory;

use crate::layout::{self, Row};
use crate::snapshot::Snapshot;

/// How many rows there are: the server's own, and one for each worker.
pub(crate) const ROWS: usize = 1024;

/// The numbers of the server and of all workers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rows(Arc<SharedMemory<[Row; ROWS]>>);

impl Rows {
    /// Rows of zeros, of a server that starts in this process now.
    ///
    /// # Errors
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    pub(crate) fn new() -> io::Result<Self> {
        let made = Self(Arc::new(SharedMemory::new(c"pounce-metrics")?));
        layout::begin(made.row(0), std::process::id());
        Ok(made)
    }

    /// The rows behind a descriptor from [`as_fd`](AsFd::as_fd), in a process that inherited it.
    ///
    /// # Errors
    /// The descriptor is not that of rows. It is left open as it was.
    pub fn from_raw_fd(fd: RawFd) -> io::Result<Self> {
        SharedMemory::adopt(fd).map(|memory| Self(Arc::new(memory)))
    }

    /// The sum of all rows.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.row(0), self.workers())
    }

    /// Notes that the row with this number is in use.
    pub(crate) fn use_row(&self, number: u32) {
        self.row(0)[layout::USED.start].fetch_max(number.into(), Ordering::Relaxed);
    }

    /// The rows of workers that have ever been in use: to read the others would take memory for them.
    pub(crate) fn workers(&self) -> &[Row] {
        let used = self.row(0)[layout::USED.start].load(Ordering::Relaxed) as usize;
        &self.0.get()[1..ROWS.min(used + 1)]
    }

    /// A row; for a number that is none, the last.
    pub(crate) fn row(&self, number: u32) -> &Row {
        &self.0.get()[(number as usize).min(ROWS - 1)]
    }
}

impl AsFd for Rows {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
