//! What a WebSocket's task and the application share.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Instant;

use pounce_asgi::ConnectionInfo;

use super::phase::WebSocketPhase;
use super::state::WebSocketState;
use crate::engine::Engine;
use crate::flusher::Flush;

/// The shared half of a WebSocket. Never borrowed while the application runs.
pub(super) struct WebSocketLink {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    state: RefCell<WebSocketState>,
    waker: RefCell<Waker>,
    /// The time at which the task was last polled.
    pub(super) now: Cell<Instant>,
    /// The task is being polled, and sees for itself what happens meanwhile.
    pub(super) polling: Cell<bool>,
    /// It is among those that are written at the end of the turn.
    is_due: Cell<bool>,
    this: Weak<Self>,
}

impl Flush for WebSocketLink {
    fn is_due(&self) -> &Cell<bool> {
        &self.is_due
    }

    fn flush(&self) {
        let state = &mut *self.state();
        let mut context = Context::from_waker(Waker::noop());
        // The task writes what the socket does not take, and tells the application that it may send again.
        if state.poll_output(&self.engine, &mut context).is_pending()
            || state.phase == WebSocketPhase::Gone
            || state.held_back
            || state.sending
        {
            self.wake();
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
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            is_due: Cell::new(false),
            engine,
            info,
            state: RefCell::new(state),
            waker: RefCell::new(Waker::noop().clone()),
            now: Cell::new(now),
            polling: Cell::new(false),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, WebSocketState> {
        self.state.borrow_mut()
    }

    /// The state, unless it is borrowed by a caller that panics.
    pub(super) fn try_state(&self) -> Option<RefMut<'_, WebSocketState>> {
        self.state.try_borrow_mut().ok()
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
    }

    /// Has what was sent written at the end of the turn: several messages at once.
    pub(super) fn write_soon(&self) {
        if !self.polling.get()
            && let Some(this) = self.this.upgrade()
        {
            self.engine.flusher.add(this);
        }
    }

    /// Has the task look at what was done.
    pub(super) fn wake(&self) {
        if !self.polling.get() {
            self.waker.borrow().wake_by_ref();
        }
    }
}
