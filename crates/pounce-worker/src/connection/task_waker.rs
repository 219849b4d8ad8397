//! Waking the task that drives a connection or a stream.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// The waker of a task, for those who change what the task looks at.
#[derive(Debug)]
pub(super) struct TaskWaker {
    waker: RefCell<Waker>,
    /// The task is being polled: it sees changes itself, and needs no wake-up.
    polling: Cell<bool>,
}

impl TaskWaker {
    /// That of a task that has not been polled yet.
    pub(super) fn new() -> Self {
        Self { waker: RefCell::new(Waker::noop().clone()), polling: Cell::new(false) }
    }

    /// The task is polled, with this waker.
    pub(super) fn begin_poll(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
        self.polling.set(true);
    }

    /// The task is polled, with the waker that is known already.
    pub(super) fn begin_poll_again(&self) {
        self.polling.set(true);
    }

    pub(super) fn end_poll(&self) {
        self.polling.set(false);
    }

    pub(super) fn is_polling(&self) -> bool {
        self.polling.get()
    }

    /// Has the task polled soon, unless it is being polled.
    pub(super) fn wake(&self) {
        if !self.polling.get() {
            self.waker.borrow().wake_by_ref();
        }
    }
}
