//! The rows, in memory that processes share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pounce_net::SharedMemory;

use crate::layout::{self, Row};
use crate::number::now;
use crate::snapshot::Snapshot;
use crate::worker_now::WorkerNow;

/// How many rows there are: the server's own, and one for each worker.
pub(crate) const ROWS: usize = 1024;

/// The numbers of the server and of all workers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rows(Arc<SharedMemory<[Row; ROWS]>>);

impl Rows {
    /// Rows of zeros, of a server that starts in this process now. Workers list their requests if `lists`.
    ///
    /// # Errors
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    pub(crate) fn new(lists: bool) -> io::Result<Self> {
        let made = Self(Arc::new(SharedMemory::new(c"pounce-metrics")?));
        let server = made.row(0);
        server[layout::PROCESS.start].store(std::process::id().into(), Ordering::Relaxed);
        server[layout::STARTED.start].store(now(), Ordering::Relaxed);
        server[layout::LISTS.start].store(lists.into(), Ordering::Relaxed);
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

    /// The workers that there are, in the order of their slots.
    pub fn workers_now(&self) -> Vec<WorkerNow> {
        let mut found: Vec<_> = self.workers().iter().filter_map(WorkerNow::of).collect();
        found.sort_by_key(|worker| (worker.slot, worker.generation));
        found
    }

    /// Makes health checks say that the server is ready, or that it is not.
    pub fn set_ready(&self, is_ready: bool) {
        self.row(0)[layout::NOT_READY.start].store((!is_ready).into(), Ordering::Relaxed);
    }

    /// Whether health checks may say that it is.
    pub fn is_ready(&self) -> bool {
        self.row(0)[layout::NOT_READY.start].load(Ordering::Relaxed) == 0
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
