//! Waking the task that drives a connection or a stream.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// The waker of a task, for code that changes state the task depends on.
#[derive(Debug)]
pub(super) struct TaskWaker {
    waker: RefCell<Waker>,
    /// The task is being polled: it sees changes itself and needs no wake-up.
    polling: Cell<bool>,
}

impl TaskWaker {
    /// The waker of a task that has not been polled yet.
    pub(super) fn new() -> Self {
        Self { waker: RefCell::new(Waker::noop().clone()), polling: Cell::new(false) }
    }

    /// Notes that the task is being polled with `waker`.
    pub(super) fn begin_poll(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
        self.polling.set(true);
    }

    /// Notes that the task is being polled with the waker of the previous poll.
    pub(super) fn begin_poll_again(&self) {
        self.polling.set(true);
    }

    pub(super) fn end_poll(&self) {
        self.polling.set(false);
    }

    pub(super) fn is_polling(&self) -> bool {
        self.polling.get()
    }

    /// Wakes the task, unless it is being polled.
    pub(super) fn wake(&self) {
        if !self.polling.get() {
            self.waker.borrow().wake_by_ref();
        }
    }
}
