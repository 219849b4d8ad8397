//! Limits how many bytes of messages the WebSockets of a worker hold together until their applications receive them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The budget, and the sockets that wait for their turn to read.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    limit: usize,
    used: Cell<usize>,
    /// The waiting sockets, in the order in which they began to wait.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next_ticket: Cell<u64>,
}

/// One socket's share of the budget. Dropping it gives the share back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Rc<ReadAhead>,
    held: usize,
    /// The socket's last place in the queue; no longer in the queue once the socket was called.
    ticket: Option<u64>,
}

impl ReadAhead {
    pub(super) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { limit, used: Cell::new(0), waiting: RefCell::default(), next_ticket: Cell::new(0) })
    }

    fn has_room(&self) -> bool {
        self.used.get() < self.limit
    }

    pub(crate) fn share(self: &Rc<Self>) -> Share {
        Share { budget: Rc::clone(self), held: 0, ticket: None }
    }

    /// Wakes the socket that has waited longest, if there is room. Each woken socket calls the next once it has read,
    /// so a release wakes no more sockets than can read.
    fn call_next(&self) {
        if !self.has_room() {
            return;
        }
        let next = self.waiting.borrow_mut().pop_first();
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

impl Share {
    pub(crate) fn has_room(&self) -> bool {
        self.budget.has_room()
    }

    /// Whether there is room and it is the socket's turn: it was called, or no other socket waits.
    pub(crate) fn may_read(&self) -> bool {
        let was_called = self.ticket.is_some() && !self.is_waiting();
        self.has_room() && (was_called || self.budget.waiting.borrow().is_empty())
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Notes how many bytes the socket holds now, and calls the next socket if there is room.
    pub(crate) fn settle(&mut self, held: usize) {
        let used = self.budget.used.get() - self.held + held;
        self.budget.used.set(used);
        self.held = held;
        self.budget.call_next();
    }

    /// Wakes the socket's task when its turn comes.
    pub(crate) fn wait(&mut self, cx: &Context<'_>) {
        let mut waiting = self.budget.waiting.borrow_mut();
        if let Some(waker) = self.ticket.and_then(|ticket| waiting.get_mut(&ticket)) {
            waker.clone_from(cx.waker());
            return;
        }
        let ticket = self.budget.next_ticket.get();
        self.budget.next_ticket.set(ticket + 1);
        self.ticket = Some(ticket);
        waiting.insert(ticket, cx.waker().clone());
    }

    /// Leaves the queue, or uses up a call.
    pub(crate) fn stop_waiting(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.budget.waiting.borrow_mut().remove(&ticket);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.ticket.is_some_and(|ticket| self.budget.waiting.borrow().contains_key(&ticket))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.stop_waiting();
        // A socket that was called and has not read passes the call on too.
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Waiter {
        share: Share,
        count: Arc<Count>,
    }

    impl Waiter {
        fn new(budget: &Rc<ReadAhead>) -> Self {
            let (mut share, count) = (budget.share(), Arc::<Count>::default());
            share.wait(&Context::from_waker(&Arc::clone(&count).into()));
            Self { share, count }
        }

        fn calls(&self) -> usize {
            self.count.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn waiting_sockets_are_called_one_by_one_in_their_order() {
        let budget = ReadAhead::new(100);
        let mut full = budget.share();
        full.settle(100);
        assert!(!full.has_room());
        let mut waiters: Vec<Waiter> = (0..3).map(|_| Waiter::new(&budget)).collect();
        full.settle(100);
        assert!(waiters.iter().all(|waiter| waiter.calls() == 0 && waiter.share.is_waiting()));
        full.settle(99);
        assert_eq!(waiters.iter().map(Waiter::calls).collect::<Vec<_>>(), [1, 0, 0]);
        // No other socket may read in between.
        assert!(waiters[0].share.may_read() && !waiters[1].share.may_read() && !full.may_read());
        waiters[0].share.stop_waiting();
        // It fills the budget: the next one keeps waiting.
        waiters[0].share.settle(50);
        assert_eq!(waiters[1].calls(), 0);
        // It takes nothing: the next one gets its turn.
        waiters[0].share.settle(0);
        assert_eq!(waiters.iter().map(Waiter::calls).collect::<Vec<_>>(), [1, 1, 0]);
    }

    #[test]
    fn a_socket_that_leaves_while_it_waits_or_after_it_was_called_blocks_no_other() {
        let budget = ReadAhead::new(100);
        let mut full = budget.share();
        full.settle(100);
        let (first, second, third) = (Waiter::new(&budget), Waiter::new(&budget), Waiter::new(&budget));
        drop(first);
        assert_eq!(budget.waiting.borrow().len(), 2);
        full.settle(10);
        assert_eq!(second.calls(), 1);
        drop(second);
        assert_eq!(third.calls(), 1);
        drop((third, full));
        assert_eq!(budget.used.get(), 0);
        assert!(budget.waiting.borrow().is_empty());
    }
}
