//! What a WebSocket's task and the application share.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use pounce_asgi::ConnectionInfo;

use super::state::State;
use crate::engine::Engine;

/// The shared half of a WebSocket. Never borrowed while the application runs.
pub(super) struct Link {
    pub(super) engine: Rc<Engine>,
    pub(super) info: Rc<ConnectionInfo>,
    state: RefCell<State>,
    waker: RefCell<Waker>,
    /// The time at which the task was last polled.
    pub(super) now: Cell<Instant>,
    /// The task is being polled, and sees for itself what happens meanwhile.
    pub(super) polling: Cell<bool>,
}

impl Link {
    pub(super) fn new(engine: Rc<Engine>, info: Rc<ConnectionInfo>, state: State, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            engine,
            info,
            state: RefCell::new(state),
            waker: RefCell::new(Waker::noop().clone()),
            now: Cell::new(now),
            polling: Cell::new(false),
        })
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.borrow_mut().clone_from(waker);
    }

    /// Has the task look at what was done. It writes what several messages of one turn have left, at once.
    pub(super) fn wake(&self) {
        if !self.polling.get() {
            self.waker.borrow().wake_by_ref();
        }
    }
}
