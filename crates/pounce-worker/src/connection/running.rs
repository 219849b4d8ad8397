//! Calls to the application, counted while they run.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pounce_asgi::{App, Outcome};

use crate::engine::{ConnectionGuard, Engine, WorkerPhase};

/// A call to the application.
pub(super) struct Running<A: App> {
    call: A::Call,
    _counted: Counted,
}

/// Counts one running call until dropped.
struct Counted(Rc<Engine>);

impl<A: App> Running<A> {
    /// Counts a request and begins its call.
    pub(super) fn begin(engine: &Rc<Engine>, call: impl FnOnce() -> A::Call) -> Self {
        let counted = Counted::new(engine);
        engine.count_request();
        Self { call: call(), _counted: counted }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.call).poll(cx)
    }

    /// Runs the call to its end in a new task, unless the worker aborts.
    pub(super) fn detach(mut self, engine: &Rc<Engine>) {
        let engine = Rc::clone(engine);
        let connection_guard = ConnectionGuard::new(&engine);
        tokio::task::spawn_local(poll_fn(move |cx| {
            connection_guard.set_waker(cx.waker());
            if engine.phase() == WorkerPhase::Aborting {
                return Poll::Ready(());
            }
            self.poll(cx).map(drop)
        }));
    }
}

impl Counted {
    fn new(engine: &Rc<Engine>) -> Self {
        let running = engine.running.get() + 1;
        engine.running.set(running);
        engine.burst.rise(running);
        Self(Rc::clone(engine))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let running = self.0.running.get() - 1;
        self.0.running.set(running);
        self.0.burst.fall(running);
    }
}
