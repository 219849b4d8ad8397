//! Who has which row.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::labels::Restart;
use crate::layout::{self, GAUGES, RESTARTS};
use crate::number::now;
use crate::rows::{ROWS, Rows};
use crate::worker::WorkerMetrics;

/// The server's side: gives out rows to workers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scoreboard {
    rows: Rows,
    /// The places that are taken.
    taken: Arc<Mutex<BTreeSet<u32>>>,
}

impl Scoreboard {
    /// An empty one, of a server that starts in this process now. Workers list their requests if `lists`.
    ///
    /// # Errors
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    pub fn new(lists: bool) -> io::Result<Self> {
        Ok(Self { rows: Rows::new(lists)?, taken: Arc::default() })
    }

    /// A row for a worker of this slot and generation that is about to start. `None` if all are taken: nobody sees what such
    /// a worker counts.
    pub fn take_place(&self, slot: u32, generation: u32) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (1..ROWS as u32).find(|number| !taken.contains(number))?;
        taken.insert(number);
        self.rows.use_row(number);
        let row = self.rows.row(number);
        row[layout::STARTED.start].store(now(), Ordering::Relaxed);
        row[layout::GENERATION.start].store(generation.into(), Ordering::Relaxed);
        row[layout::SLOT.start].store(u64::from(slot) + 1, Ordering::Relaxed);
        Some(Place { scoreboard: self.clone(), number })
    }

    /// Counts a worker started in the place of another.
    pub fn restarted(&self, why: Restart) {
        self.rows.row(0)[RESTARTS.start + why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }
}

/// A worker's place. Drop it when the worker has ended: what it counted stays, and the place is free again.
#[derive(Debug)]
pub struct Place {
    scoreboard: Scoreboard,
    number: u32,
}

impl Place {
    /// Its number, for [`WorkerMetrics::new`] in a worker that has the memory by its descriptor.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The worker's side, for a worker in this process.
    pub fn metrics(&self) -> WorkerMetrics {
        WorkerMetrics::new(self.scoreboard.rows.clone(), self.number)
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.scoreboard.rows.as_fd()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for gauge in &self.scoreboard.rows.row(self.number)[GAUGES] {
            gauge.store(0, Ordering::Relaxed);
        }
        self.scoreboard.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
