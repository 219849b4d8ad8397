//! Calls to the application, counted while they run.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{App, Outcome};

use super::alarm::Alarm;
use crate::engine::{ConnectionGuard, Engine, WorkerPhase};

/// A call to the application.
pub(super) struct Running<A: App> {
    call: A::Call,
    /// When it is given up, if it has not answered by then.
    deadline: Option<Box<(Instant, Alarm)>>,
    _counted: Counted,
}

/// How a call ended, as the wire sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// The application has ended.
    Ended(Outcome),
    /// It took too long. The caller drops the call, which cancels the application.
    TimedOut,
}

/// Counts one running call until dropped.
struct Counted(Rc<Engine>);

impl<A: App> Running<A> {
    /// Counts a request and begins its call.
    pub(super) fn begin(engine: &Rc<Engine>, call: impl FnOnce() -> A::Call) -> Self {
        let counted = Counted::new(engine);
        engine.count_request();
        Self { call: call(), deadline: None, _counted: counted }
    }

    /// The same for a request that must be answered within the configured time.
    pub(super) fn begin_timed(engine: &Rc<Engine>, call: impl FnOnce() -> A::Call) -> Self {
        let limit = engine.settings.http.timeout_request;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let begun = Self::begin(engine, call);
        Self { deadline: deadline.map(|deadline| Box::new((deadline, Alarm::default()))), ..begun }
    }

    /// Polls the call, which a deadline may end until the request is [answered](Self::set_answered).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallEnd> {
        let polled = Pin::new(&mut self.call).poll(cx).map(CallEnd::Ended);
        match &mut self.deadline {
            Some(deadline) if polled.is_pending() => {
                let (deadline, alarm) = &mut **deadline;
                match alarm.poll_expired(*deadline, Instant::now(), cx) {
                    true => Poll::Ready(CallEnd::TimedOut),
                    false => Poll::Pending,
                }
            }
            _ => polled,
        }
    }

    /// From now on it may take as long as it likes.
    pub(super) fn set_answered(&mut self) {
        self.deadline = None;
    }

    /// For when another task takes over: an alarm already set would wake the previous task.
    pub(super) fn forget_alarm(&mut self) {
        if let Some(deadline) = &mut self.deadline {
            deadline.1 = Alarm::default();
        }
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
