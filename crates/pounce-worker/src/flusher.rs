//! Writing at the end of a turn, for all connections and protocols.
//!
//! Data from an application is encoded at once, but written after all tasks that were ready have run. The first write
//! wakes a sleeping client process; the following writes find it awake, which is far cheaper. One task writes for the
//! whole worker: the runtime runs it after all tasks that were ready when it was woken.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// When this many connections are due, they are written without waiting for the end of the turn.
const MOST: usize = 32;

/// Output that has waited this long is written before another task goes on.
const LONGEST: Duration = Duration::from_micros(250);

/// A connection or WebSocket that may have bytes to write.
pub(crate) trait Flush {
    /// Writes as much as possible without waiting, and arranges for the rest.
    fn flush(&self);

    /// The flusher's entry for this.
    fn entry(&self) -> &FlushEntry;
}

/// The flusher's entry for a [`Flush`].
pub(crate) struct FlushEntry {
    /// Whether it is in the flusher's list.
    is_due: Cell<bool>,
    this: Weak<dyn Flush>,
}

impl FlushEntry {
    pub(crate) fn new(this: Weak<dyn Flush>) -> Self {
        Self { is_due: Cell::new(false), this }
    }

    /// Whether a write is scheduled for the end of this turn.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.get()
    }
}

/// The connections of a worker that have something to write.
pub(crate) struct Flusher {
    due: RefCell<Vec<Rc<dyn Flush>>>,
    /// When the first of them was added.
    since: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
}

impl Default for Flusher {
    fn default() -> Self {
        Self { due: RefCell::default(), since: Cell::new(Instant::now()), waker: RefCell::default() }
    }
}

impl Flusher {
    /// Schedules a write for the end of this turn, or writes at once if enough is due. No connection's state may be
    /// borrowed.
    pub(crate) fn add(&self, entry: &FlushEntry) {
        if entry.is_due.replace(true) {
            return;
        }
        let Some(what) = entry.this.upgrade() else { return };
        let waiting = {
            let mut due = self.due.borrow_mut();
            due.push(what);
            due.len()
        };
        if waiting == 1 {
            self.since.set(Instant::now());
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        } else if waiting == MOST {
            self.flush();
        } else {
            self.flush_old(Instant::now());
        }
    }

    /// Writes everything due if the oldest has waited too long. No connection's state may be borrowed.
    pub(crate) fn flush_old(&self, now: Instant) {
        if !self.due.borrow().is_empty() && now.saturating_duration_since(self.since.get()) >= LONGEST {
            self.flush();
        }
    }

    fn flush(&self) {
        let mut now = self.due.take();
        for what in now.drain(..) {
            what.entry().is_due.set(false);
            what.flush();
        }
        // Reuse the list's memory.
        let mut due = self.due.borrow_mut();
        if due.is_empty() {
            *due = now;
        }
    }

    /// Writes at the end of each turn, forever.
    pub(crate) async fn run(&self) {
        poll_fn(|cx| {
            match &mut *self.waker.borrow_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            self.flush();
            Poll::<()>::Pending
        })
        .await;
    }
}
