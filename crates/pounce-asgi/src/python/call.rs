//! One call of the application: what its `receive`, its `send` and its task share with the wire.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::{PyOSError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{Exchange, Outcome, Payload, ResponseHead};

use super::awaitable::Awaitable;
use super::kit::{Kit, attached, whole};
use super::side::Side;

/// The state of one call, shared by its Python objects and its future.
pub(super) struct CallState {
    pub(super) kit: Rc<Kit>,
    pub(super) side: Side,
    /// Method and path, for log lines.
    request: Box<[u8]>,
    debug: bool,
    /// Futures that wait in `receive()`, oldest first.
    receivers: RefCell<Vec<Py<PyAny>>>,
    /// One of them may not wait any more.
    receiver_left: Cell<bool>,
    /// The application was told that its client has gone.
    lost: Cell<bool>,
    /// Futures that wait in `send()`.
    senders: RefCell<Vec<Py<PyAny>>>,
    outcome: Cell<Option<Outcome>>,
    /// The task, kept alive while it runs.
    task: RefCell<Option<Py<PyAny>>>,
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl CallState {
    pub(super) fn new(kit: Rc<Kit>, side: Side, request: Box<[u8]>, debug: bool) -> Rc<Self> {
        Rc::new(Self {
            kit,
            side,
            request,
            debug,
            receivers: RefCell::default(),
            receiver_left: Cell::new(false),
            lost: Cell::new(false),
            senders: RefCell::default(),
            outcome: Cell::new(None),
            task: RefCell::default(),
            cancelled: Cell::new(false),
            waker: RefCell::default(),
        })
    }

    /// Keeps the task, unless it is over already.
    pub(super) fn keep_task(&self, task: Bound<'_, PyAny>) {
        if self.outcome.get().is_none() {
            self.task.replace(Some(task.unbind()));
        }
    }

    /// The application has come to its end.
    pub(super) fn finish(&self, outcome: Outcome) {
        if self.outcome.get().is_none() {
            self.outcome.set(Some(outcome));
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// Whether `error` is the cancellation that this side has asked for.
    pub(super) fn is_cancelled(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.cancelled.get() && error.get_type(py).name().is_ok_and(|name| name == "CancelledError")
    }

    /// The application raised: logs it, once, and shows it where that was asked for.
    pub(super) fn raised(&self, py: Python<'_>, error: PyErr) {
        if self.exchange_lost(py, &error) {
            tracing::debug!(target: "pounce", "{}: the client left before the response was complete", self.request.escape_ascii());
        } else if error.is_instance_of::<PySystemExit>(py) {
            tracing::error!(target: "pounce", "{}: the application called sys.exit(); the server goes on\n{}", self.request.escape_ascii(), self.kit.traceback(py, &error));
        } else {
            tracing::error!(target: "pounce", "{}: the application raised an exception\n{}", self.request.escape_ascii(), self.kit.traceback(py, &error));
        }
        if self.debug
            && let Side::Http(exchange) = &self.side
            && exchange.restart()
            && let Err(error) = self.show(py, &error, exchange)
        {
            tracing::error!(target: "pounce", "no debug page: {error}");
        }
        self.finish(Outcome::Failed);
    }

    /// `send` raises because the client has gone.
    pub(super) fn note_lost(&self) {
        self.lost.set(true);
    }

    /// Whether the exception is the one that `send` raised because the client has gone.
    fn exchange_lost(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.lost.get() && error.get_type(py).is(py.get_type::<PyOSError>())
    }

    /// Answers with the page that `--debug` asks for.
    fn show(&self, py: Python<'_>, error: &PyErr, exchange: &Exchange) -> PyResult<()> {
        let page =
            self.kit.glue.bind(py).call_method1("debug_page", (whole(py, error),))?.cast_into::<PyBytes>()?;
        let mut head = ResponseHead { status: 500, ..ResponseHead::default() };
        head.fields.push(b"content-type", b"text/html; charset=utf-8");
        let sent = exchange.start(&head);
        let sent = sent.and_then(|()| exchange.body(Payload::Borrowed(page.as_bytes()), false));
        // Whoever has gone does not miss the page.
        drop(sent);
        Ok(())
    }

    /// `receive()`: an awaitable for the next event.
    pub(super) fn receive(self: &Rc<Self>, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if self.receivers.borrow().is_empty()
            && let Poll::Ready(message) =
                self.side.poll_message(py, &self.kit.names, &mut Context::from_waker(Waker::noop()))
        {
            return self.kit.done(py, message?.into_any().unbind());
        }
        let iterator = self.wait_for_message(py)?;
        let waiting = Awaitable::Receiving { state: Rc::clone(self), iterator: RefCell::new(iterator) };
        Ok(self.kit.awaitables.make(py, waiting)?.unbind())
    }

    /// What to step until something may have come: a future's iterator.
    fn wait_for_message(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.kit.future(py)?;
        let iterator = future.call_method0(&self.kit.names.dunder_await)?;
        self.receivers.borrow_mut().push(future.unbind());
        self.wake();
        Ok(iterator.unbind())
    }

    /// The future of a waiting `receive()` is done: the message, or another iterator to wait with if somebody
    /// else was quicker. Only now is anything taken, so that a `receive()` that is cancelled loses nothing.
    pub(super) fn received(&self, py: Python<'_>) -> PyResult<Result<Py<PyAny>, Py<PyAny>>> {
        match self.side.poll_message(py, &self.kit.names, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => Ok(Ok(message?.into_any().unbind())),
            Poll::Pending => self.wait_for_message(py).map(Err),
        }
    }

    /// `send()` has been carried out: an awaitable for when the client has read enough.
    pub(super) fn sent(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.side.poll_ready(&mut Context::from_waker(Waker::noop())) {
            // A client that leaves after it has everything is no fault; the next `send` says so.
            Poll::Ready(_) => Ok(self.kit.nothing.clone_ref(py)),
            Poll::Pending => {
                let future = self.kit.future(py)?;
                let waiting = self.kit.waiting(py, &future)?;
                self.senders.borrow_mut().push(future.unbind());
                self.wake();
                Ok(waiting)
            }
        }
    }

    /// A `receive()` that waited does so no more, and took nothing.
    pub(super) fn leave_receive(&self) {
        self.receiver_left.set(true);
        self.wake();
    }

    /// Has the wire look at who waits.
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Lets go of tasks of the application's that still wait when the call is over: they find that nothing
    /// more comes.
    fn release(&self, py: Python<'_>) {
        let waiting = self.receivers.take().into_iter().chain(self.senders.take());
        for future in waiting {
            // One that is done already refuses, which is as well.
            let _ = future.call_method1(py, &self.kit.names.set_result, (py.None(),));
        }
        self.kit.turns.look();
    }

    /// Gives what has come to those who wait for it. True if anybody was told.
    fn serve_waiters(&self, py: Python<'_>, cx: &mut Context<'_>) -> PyResult<bool> {
        let names = &self.kit.names;
        let is_done = |future: &Py<PyAny>| future.call_method0(py, &names.done)?.is_truthy(py);
        let mut told = false;
        let someone_left = self.receiver_left.take();
        let ready = !self.receivers.borrow().is_empty() && self.side.poll_receivable(cx).is_ready();
        if ready || someone_left {
            told = true;
            let mut waiting = self.receivers.take();
            let mut at = 0;
            while at < waiting.len() {
                if is_done(&waiting[at])? {
                    waiting.remove(at);
                } else {
                    at += 1;
                }
            }
            if waiting.is_empty() {
                self.side.stop_receiving();
            } else if ready {
                for future in waiting.drain(..) {
                    future.call_method1(py, &names.set_result, (py.None(),))?;
                }
            }
            // Its memory is used again; nothing of the application has run meanwhile.
            self.receivers.replace(waiting);
        }
        if !self.senders.borrow().is_empty()
            && let Poll::Ready(ready) = self.side.poll_ready(cx)
        {
            told = true;
            if ready.is_err() {
                self.note_lost();
            }
            for future in self.senders.take() {
                if is_done(&future)? {
                    continue;
                }
                match &ready {
                    Ok(()) => future.call_method1(py, &names.set_result, (py.None(),))?,
                    Err(error) => future.call_method1(
                        py,
                        &names.set_exception,
                        (PyOSError::new_err(error.to_string()),),
                    )?,
                };
            }
        }
        Ok(told)
    }
}

/// A call as the wire sees it.
pub struct Call {
    pub(super) state: Rc<CallState>,
}

impl Future for Call {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let state = &self.state;
        if let Some(outcome) = state.outcome.get() {
            return Poll::Ready(outcome);
        }
        match &mut *state.waker.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let py = attached();
        match state.serve_waiters(py, cx) {
            Ok(false) => return Poll::Pending,
            Ok(true) => {}
            Err(error) => {
                tracing::error!(target: "pounce", "{}: {}", state.request.escape_ascii(), state.kit.traceback(py, &error));
            }
        }
        state.kit.turns.look();
        Poll::Pending
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let state = &self.state;
        // The wakers and futures hold on to the connection and to the task: let go of both.
        state.waker.take();
        if state.outcome.get().is_some() {
            state.task.take();
            state.release(attached());
            return;
        }
        state.cancelled.set(true);
        let py = attached();
        if let Some(task) = state.task.take()
            && let Err(error) = task.call_method0(py, "cancel")
        {
            tracing::error!(target: "pounce", "{}: cannot cancel: {error}", state.request.escape_ascii());
        }
        state.kit.turns.look();
    }
}
