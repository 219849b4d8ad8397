//! Writing at the end of a turn, for all connections and protocols.
//!
//! What an application sends is encoded at once and written when everything that was ready has been handled. The first
//! write wakes the client's process, and finds it asleep; the others find it awake, which is cheaper by far. One task
//! writes for the whole worker: the runtime runs it behind all tasks that were ready when it was woken.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// So many connections are written without waiting for the end of the turn.
const MOST: usize = 32;

/// What was sent so long ago is written before anything more is taken up.
const LONGEST: Duration = Duration::from_micros(250);

/// Something that may have bytes to write.
pub(crate) trait Flush {
    /// Writes what can be written without waiting, and sees to the rest.
    fn flush(&self);

    /// What the flusher knows of it.
    fn entry(&self) -> &FlushEntry;
}

/// The place of something that may have bytes to write among the others.
pub(crate) struct FlushEntry {
    /// It is in the worker's list.
    is_due: Cell<bool>,
    this: Weak<dyn Flush>,
}

impl FlushEntry {
    pub(crate) fn new(this: Weak<dyn Flush>) -> Self {
        Self { is_due: Cell::new(false), this }
    }

    /// Whether it is written at the end of this turn.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.get()
    }
}

/// The connections of a worker that have something to write.
pub(crate) struct Flusher {
    due: RefCell<Vec<Rc<dyn Flush>>>,
    /// When the first of them had something.
    since: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
}

impl Default for Flusher {
    fn default() -> Self {
        Self { due: RefCell::default(), since: Cell::new(Instant::now()), waker: RefCell::default() }
    }
}

impl Flusher {
    /// Has it written once this turn is over, or at once where enough waits already. Nobody may have its state borrowed.
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

    /// Writes what has waited long enough already. Nobody may have a connection's state borrowed.
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
        // Its memory is used again.
        let mut due = self.due.borrow_mut();
        if due.is_empty() {
            *due = now;
        }
    }

    /// Writes for ever.
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
