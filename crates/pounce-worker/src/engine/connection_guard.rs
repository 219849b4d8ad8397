//! Counts open connections.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use pounce_metrics::Protocol;

use super::Engine;

/// Counts as a connection for as long as it lives.
pub(crate) struct ConnectionGuard {
    engine: Rc<Engine>,
    key: u64,
    counts: bool,
    /// What the client speaks.
    protocol: Cell<Option<Protocol>>,
}

impl ConnectionGuard {
    pub(crate) fn new(engine: &Rc<Engine>) -> Self {
        let mut this = Self::of_stream(engine);
        this.counts = true;
        this.count(1);
        this
    }

    /// For a stream of a connection: not counted, but its task is woken when the worker's phase changes.
    pub(crate) fn of_stream(engine: &Rc<Engine>) -> Self {
        let key = engine.next_key.get();
        engine.next_key.set(key + 1);
        // The task's first poll, which comes next, sets its waker.
        engine.wakers.borrow_mut().insert(key, Waker::noop().clone());
        Self { engine: Rc::clone(engine), key, counts: false, protocol: Cell::new(None) }
    }

    /// Sets the waker of the connection's task.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        if let Some(known) = self.engine.wakers.borrow_mut().get_mut(&self.key) {
            known.clone_from(waker);
        }
    }

    /// Notes what the client speaks, from now on.
    pub(crate) fn speaks(&self, protocol: Protocol) {
        self.engine.count_metric(|metrics| match self.protocol.replace(Some(protocol)) {
            Some(before) => metrics.connection_turned(before, protocol),
            None => metrics.connection_opened(protocol),
        });
    }

    fn count(&self, change: isize) {
        self.engine.connections.set(self.engine.connections.get().saturating_add_signed(change));
        self.engine.tell_load();
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.engine.wakers.borrow_mut().remove(&self.key);
        if let Some(protocol) = self.protocol.get() {
            self.engine.count_metric(|metrics| metrics.connection_closed(protocol));
        }
        if self.counts {
            self.count(-1);
            self.engine.departed.notify_waiters();
        }
    }
}
