//! What a connection's task and the application's exchange share.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use pounce_asgi::ConnectionInfo;

use super::super::observation::Observation;
use super::super::task_waker::TaskWaker;
use super::state::Http1State;
use crate::engine::Engine;
use crate::flusher::{Flush, FlushEntry};
use crate::stream::Stream;

/// The shared half of a connection. Reached from the connection's task and, through the exchange, from
/// the application; never both at once, and never borrowed while the application runs.
pub(in crate::connection) struct Http1Link {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    state: RefCell<Http1State>,
    pub(super) waker: TaskWaker,
    /// The time at which the task was last polled.
    pub(super) now: Cell<Instant>,
    flush_entry: FlushEntry,
}

impl Http1Link {
    pub(in crate::connection) fn new(
        engine: Rc<Engine>,
        info: Rc<ConnectionInfo>,
        stream: Stream,
        may_be_http2: bool,
        now: Instant,
    ) -> Rc<Self> {
        let state = Http1State::new(&engine, &info, stream, may_be_http2, now);
        Rc::new_cyclic(|this: &Weak<Self>| Self {
            engine,
            info,
            state: RefCell::new(state),
            waker: TaskWaker::new(),
            now: Cell::new(now),
            flush_entry: FlushEntry::new(this.clone()),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, Http1State> {
        self.state.borrow_mut()
    }

    /// Has what was sent written at the end of the turn. Nobody may have the state borrowed.
    pub(super) fn write_soon(&self) {
        self.engine.flusher.add(&self.flush_entry);
    }

    /// Whether that is still to come.
    pub(super) fn is_due(&self) -> bool {
        self.flush_entry.is_due()
    }

    /// Writes as much as the socket takes at once; the task sees to the rest.
    pub(super) fn write(&self, state: &mut Http1State) {
        let mut context = Context::from_waker(Waker::noop());
        if state.poll_flush(&self.engine, &mut context).is_pending() || state.is_gone() {
            self.waker.wake();
        }
    }

    /// A request has come: the exchange begins.
    pub(super) fn observe_begin(&self) {
        let state = &mut *self.state();
        state.observation =
            Observation::begin(&self.engine, &self.info, state.machine.head(), self.now.get());
    }
}

impl Flush for Http1Link {
    fn entry(&self) -> &FlushEntry {
        &self.flush_entry
    }

    fn flush(&self) {
        let mut state = self.state();
        if !state.output.is_empty() {
            self.write(&mut state);
        }
        // The task may have been polled while this was due, and left the writing to it. It tells an application that may
        // send again.
        if state.waits.is_sending() {
            self.waker.wake();
        }
    }
}

impl Drop for Http1Link {
    fn drop(&mut self) {
        self.state.get_mut().input.give_back(&self.engine);
    }
}
