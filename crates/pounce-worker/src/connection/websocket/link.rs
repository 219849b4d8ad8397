//! State shared by a WebSocket's task and the application.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use pounce_asgi::ConnectionInfo;

use super::super::task_waker::TaskWaker;
use super::phase::WebSocketPhase;
use super::state::WebSocketState;
use crate::engine::Engine;
use crate::flusher::{Flush, FlushEntry};

/// The shared half of a WebSocket. Never borrowed while the application runs.
pub(super) struct WebSocketLink {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    state: RefCell<WebSocketState>,
    pub(super) waker: TaskWaker,
    /// The time at which the task was last polled.
    pub(super) now: Cell<Instant>,
    flush_entry: FlushEntry,
}

impl Flush for WebSocketLink {
    fn entry(&self) -> &FlushEntry {
        &self.flush_entry
    }

    fn flush(&self) {
        let state = &mut *self.state();
        let mut context = Context::from_waker(Waker::noop());
        // The task writes the rest, and resumes the application's `send()`.
        if state.poll_output(&self.engine, &mut context).is_pending()
            || state.phase == WebSocketPhase::Gone
            || state.held_back
            || state.waits.is_sending()
        {
            self.waker.wake();
        }
    }
}

impl WebSocketLink {
    pub(super) fn new(
        engine: Rc<Engine>,
        info: Rc<ConnectionInfo>,
        state: WebSocketState,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| Self {
            engine,
            info,
            state: RefCell::new(state),
            waker: TaskWaker::new(),
            now: Cell::new(now),
            flush_entry: FlushEntry::new(this.clone()),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, WebSocketState> {
        self.state.borrow_mut()
    }

    /// The state, unless it is borrowed by a caller that panics.
    pub(super) fn try_state(&self) -> Option<RefMut<'_, WebSocketState>> {
        self.state.try_borrow_mut().ok()
    }

    /// Schedules a write for the end of the turn, of several messages at once. A task being polled writes itself.
    pub(super) fn write_soon(&self) {
        if !self.waker.is_polling() {
            self.engine.flusher.add(&self.flush_entry);
        }
    }
}
