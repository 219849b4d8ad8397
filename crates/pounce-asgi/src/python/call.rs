//! One call of the application: the state that its `receive`, its `send` and its task share with the wire.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{Exchange, Outcome, Payload, ResponseHead, SendError};

use super::asyncio::{Asyncio, attached, whole};
use super::message::{self, Sent};
use super::object::{Ref, Visit, Visited};
use super::side::Side;

/// The state of one call, shared by its Python objects and its future.
pub(super) struct CallState {
    pub(super) asyncio: Rc<Asyncio>,
    pub(super) side: Side,
    /// See [`request`](Self::request).
    request: Box<[u8]>,
    debug: bool,
    /// Futures that wait in `receive()`, oldest first.
    receivers: RefCell<Vec<Py<PyAny>>>,
    /// Whether a receiver may have stopped waiting.
    receiver_left: Cell<bool>,
    /// Calls of `send()` that wait.
    senders: RefCell<Vec<WaitingSend>>,
    /// Whether the application has sent the last piece of its response.
    pub(super) has_ended: Cell<bool>,
    outcome: Cell<Option<Outcome>>,
    /// The task, kept alive while it runs.
    task: RefCell<Option<Py<PyAny>>>,
    cancelled: Cell<bool>,
    /// Whether the wire has dropped the call: no event follows, and nothing wakes waiting receivers and senders.
    released: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A `send()` that waits for the client to read.
struct WaitingSend {
    future: Py<PyAny>,
    sent: Sent,
}

/// The result of a step of `receive()` or `send()`.
pub(super) enum Progress {
    /// It is done: with a message, or with None.
    Done(Option<Py<PyAny>>),
    /// It waits for a future, by this iterator.
    Wait(Ref),
}

impl CallState {
    pub(super) fn new(asyncio: Rc<Asyncio>, side: Side, request: Box<[u8]>, debug: bool) -> Rc<Self> {
        Rc::new(Self {
            asyncio,
            side,
            request,
            debug,
            receivers: RefCell::default(),
            receiver_left: Cell::new(false),
            senders: RefCell::default(),
            has_ended: Cell::new(false),
            outcome: Cell::new(None),
            task: RefCell::default(),
            cancelled: Cell::new(false),
            released: Cell::new(false),
            waker: RefCell::default(),
        })
    }

    /// Method and path, for log lines.
    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Keeps the task, unless it has already ended.
    pub(super) fn keep_task(&self, task: Bound<'_, PyAny>) {
        if self.outcome.get().is_none() {
            self.task.replace(Some(task.unbind()));
        }
    }

    /// The application has ended.
    pub(super) fn finish(&self, outcome: Outcome) {
        if self.outcome.get().is_none() {
            self.outcome.set(Some(outcome));
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// Whether `error` is the cancellation that the bridge requested.
    pub(super) fn is_cancelled(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.cancelled.get() && error.get_type(py).name().is_ok_and(|name| name == "CancelledError")
    }

    /// The application raised: logs the exception once and, with `--debug`, shows it to the client.
    pub(super) fn raised(&self, py: Python<'_>, error: PyErr) {
        if self.asyncio.is_disconnect(py, &error) {
            tracing::debug!(target: "pounce", "{}: the client left before the response was complete", self.request.escape_ascii());
            return self.finish(Outcome::Failed);
        }
        if error.is_instance_of::<PySystemExit>(py) {
            tracing::error!(target: "pounce", "{}: the application called sys.exit(); the server goes on\n{}", self.request.escape_ascii(), self.asyncio.traceback(py, &error));
        } else {
            tracing::error!(target: "pounce", "{}: the application raised an exception\n{}", self.request.escape_ascii(), self.asyncio.traceback(py, &error));
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

    /// Answers with the page of `--debug`.
    fn show(&self, py: Python<'_>, error: &PyErr, exchange: &Exchange) -> PyResult<()> {
        let page = self
            .asyncio
            .glue
            .bind(py)
            .call_method1("debug_page", (whole(py, error),))?
            .cast_into::<PyBytes>()?;
        let mut head = ResponseHead { status: 500, ..ResponseHead::default() };
        head.fields.push(b"content-type", b"text/html; charset=utf-8");
        let sent = exchange.start(&mut head);
        let sent = sent.and_then(|()| exchange.body(Payload::Borrowed(page.as_bytes()), false));
        // If the client has gone, no one needs the page.
        drop(sent);
        Ok(())
    }

    /// The first step of `receive()`.
    pub(super) fn receive(&self, py: Python<'_>) -> PyResult<Progress> {
        if self.receivers.borrow().is_empty() {
            return self.received(py);
        }
        // Earlier receivers already wait and come first.
        self.wait_for_message(py)
    }

    /// A further step of `receive()`: the message, or another future if a different receiver has taken it. The message
    /// is taken only now, so a cancelled `receive()` loses none.
    pub(super) fn received(&self, py: Python<'_>) -> PyResult<Progress> {
        match self.side.poll_message(py, &self.asyncio.names, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => Ok(Progress::Done(Some(message?.into_any().unbind()))),
            Poll::Pending if self.released.get() => {
                let disconnect = self.side.disconnect(py, &self.asyncio.names)?;
                Ok(Progress::Done(Some(disconnect.into_any().unbind())))
            }
            Poll::Pending => self.wait_for_message(py),
        }
    }

    fn wait_for_message(&self, py: Python<'_>) -> PyResult<Progress> {
        let (future, progress) = self.wait(py)?;
        self.receivers.borrow_mut().push(future);
        self.wake();
        Ok(progress)
    }

    /// The first step of `send()`: sends the message and waits until the client has read enough.
    pub(super) fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Progress> {
        let sent = message::send(&self.asyncio, &self.side, &self.has_ended, message)?;
        match self.side.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending if !self.released.get() => {
                let (future, progress) = self.wait(py)?;
                self.senders.borrow_mut().push(WaitingSend { future, sent });
                self.wake();
                Ok(progress)
            }
            // A client that left after this message was taken is no error here; the next `send` raises.
            _ => Ok(Progress::Done(None)),
        }
    }

    /// A future, and its iterator to wait by.
    fn wait(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Progress)> {
        let future = self.asyncio.future(py)?;
        let iterator = future.call_method0(&self.asyncio.names.dunder_await)?;
        Ok((future.unbind(), Progress::Wait(iterator.unbind().into())))
    }

    /// A waiting `receive()` was cancelled; it took nothing.
    pub(super) fn leave_receive(&self) {
        self.receiver_left.set(true);
        self.wake();
    }

    /// Makes the wire check waiting receivers and senders.
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Wakes tasks of the application that still wait when the wire has dropped the call: they find it disconnected.
    fn release(&self, py: Python<'_>) {
        self.released.set(true);
        let senders = self.senders.take().into_iter().map(|sender| sender.future);
        for future in self.receivers.take().into_iter().chain(senders) {
            // A future that is already done refuses, which is fine.
            let _ = future.call_method1(py, &self.asyncio.names.set_result, (py.None(),));
        }
    }

    /// Shows the garbage collector the call's references to Python objects.
    pub(super) fn traverse(&self, visit: &Visit) -> Visited {
        // A borrowed list is in use, so the object is reachable anyway.
        if let Ok(receivers) = self.receivers.try_borrow() {
            receivers.iter().try_for_each(|future| visit.show(future.as_ptr()))?;
        }
        if let Ok(senders) = self.senders.try_borrow() {
            senders.iter().try_for_each(|sender| visit.show(sender.future.as_ptr()))?;
        }
        match self.task.try_borrow().as_deref() {
            Ok(Some(task)) => visit.show(task.as_ptr()),
            _ => Ok(()),
        }
    }

    /// Gives up what can be part of a cycle. On any thread: nothing can reach the call any more.
    pub(super) fn clear(&self) {
        let senders = self.senders.take().into_iter().map(|sender| sender.future);
        let given_up = self.receivers.take().into_iter().chain(senders).chain(self.task.take());
        given_up.map(Ref::from).for_each(drop);
    }

    /// Wakes receivers and senders that need wait no longer. True if any may have been woken.
    fn serve_waiters(&self, py: Python<'_>, cx: &mut Context<'_>) -> PyResult<bool> {
        let names = &self.asyncio.names;
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
            // Reuse the list's memory; no application code has run in between, so the field is still empty.
            self.receivers.replace(waiting);
        }
        if !self.senders.borrow().is_empty()
            && let Poll::Ready(ready) = self.side.poll_ready(cx)
        {
            told = true;
            for WaitingSend { future, sent } in self.senders.take() {
                if is_done(&future)? {
                    continue;
                }
                match (&ready, sent) {
                    (Err(SendError::Disconnected), Sent::MoreFollows) => {
                        let error = whole(py, &self.asyncio.disconnected(py));
                        future.call_method1(py, &names.set_exception, (error,))?
                    }
                    _ => future.call_method1(py, &names.set_result, (py.None(),))?,
                };
            }
        }
        Ok(told)
    }
}

/// A call as the wire sees it.
pub struct Call {
    pub(super) state: Rc<CallState>,
    /// The coroutine of the call, kept from the collector while the wire waits for it. None if the application could
    /// not be called.
    pub(super) _coroutine: Option<Py<PyAny>>,
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
                tracing::error!(target: "pounce", "{}: {}", state.request.escape_ascii(), state.asyncio.traceback(py, &error));
            }
        }
        state.asyncio.driver.look();
        Poll::Pending
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let state = &self.state;
        // Drop the waker and the task: they keep the connection and the call alive.
        state.waker.take();
        let py = attached();
        let task = state.task.take();
        if state.outcome.get().is_none() {
            state.cancelled.set(true);
            if let Some(task) = task
                && let Err(error) = task.call_method0(py, "cancel")
            {
                tracing::error!(target: "pounce", "{}: cannot cancel: {error}", state.request.escape_ascii());
            }
        }
        state.release(py);
        state.asyncio.driver.look();
    }
}
