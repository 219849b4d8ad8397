//! State shared by a connection's task and the application's exchange.

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

/// The shared half of a connection. The connection's task uses it and, through the exchange, the application; never
/// both at once. The task never keeps the state borrowed while the application runs.
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

    /// Schedules a write for the end of the turn. The state must not be borrowed.
    pub(super) fn write_soon(&self) {
        self.engine.flusher.add(&self.flush_entry);
    }

    /// Whether a write is scheduled for the end of the turn.
    pub(super) fn is_due(&self) -> bool {
        self.flush_entry.is_due()
    }

    /// Writes as much as the socket takes at once; the task writes the rest.
    pub(super) fn write(&self, state: &mut Http1State) {
        let mut context = Context::from_waker(Waker::noop());
        if state.poll_flush(&self.engine, &mut context).is_pending() || state.is_gone() {
            self.waker.wake();
        }
    }

    /// Begins the exchange of a request that has arrived.
    pub(super) fn observe_begin(&self) {
        let state = &mut *self.state();
        let (head, now) = (state.machine.head_mut(), self.now.get());
        state.observation = Observation::begin(&self.engine, &self.info, head, now);
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
        // A task polled while this flush was scheduled has left the writing to it. Wake the task to resume `send()`.
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
