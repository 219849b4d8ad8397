//! Writing at the end of a turn, for all connections at once.
//!
//! An application that sends to many clients, or many messages to one, is not interrupted by a write for each: what
//! it leaves is written when the runtime goes on, by one task for the whole worker rather than by waking each
//! connection's.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Something that may have bytes to write.
pub(crate) trait Flush {
    /// Writes what can be written without waiting, and sees to the rest.
    fn flush(&self);
}

/// Those that have something to write.
#[derive(Default)]
pub(crate) struct Flusher {
    due: RefCell<Vec<Rc<dyn Flush>>>,
    waker: RefCell<Option<Waker>>,
}

impl Flusher {
    /// Has `what` written once this turn is over. It must not be due already.
    pub(crate) fn add(&self, what: Rc<dyn Flush>) {
        let mut due = self.due.borrow_mut();
        due.push(what);
        if let (1, Some(waker)) = (due.len(), &*self.waker.borrow()) {
            waker.wake_by_ref();
        }
    }

    /// Writes for ever.
    pub(crate) async fn run(&self) {
        let mut now = Vec::new();
        poll_fn(|cx| {
            match &mut *self.waker.borrow_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            std::mem::swap(&mut now, &mut *self.due.borrow_mut());
            for what in now.drain(..) {
                what.flush();
            }
            Poll::<()>::Pending
        })
        .await;
    }
}
