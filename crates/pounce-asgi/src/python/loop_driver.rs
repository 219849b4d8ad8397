//! Drives asyncio's loop, turn by turn, from within the runtime that drives the sockets.
//!
//! A turn is asyncio's `_run_once`. It never waits, because [`LoopDriver`] calls it only when there is something to do,
//! and the runtime does the waiting for both. The loop wakes for a handle that Python code called by a connection made
//! ready, a timer, an event on asyncio's selector, another thread, or a signal.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::deadline::Deadline;
use super::owner::Owner;
use super::signals;

/// Takes the turns of one asyncio loop.
pub(super) struct LoopDriver {
    event_loop: Py<PyAny>,
    selector: Py<PyAny>,
    /// `BaseEventLoop._run_once`, bound.
    run_once: Py<PyAny>,
    /// The deque of ready handles, one object for the loop's whole life.
    ready: Py<PyAny>,
    names: LoopNames,
    /// A duplicate of the descriptor of asyncio's selector.
    selector_fd: AsyncFd<OwnedFd>,
    waker: Waker,
    deadline: RefCell<Deadline>,
    /// The loop's heap of timers. A turn may replace it.
    timers: RefCell<Py<PyList>>,
    /// The timer that the deadline is set for.
    armed: RefCell<Option<Py<PyAny>>>,
    /// The same moment on the runtime's clock and on the loop's.
    epoch: (Instant, f64),
    raised: RefCell<Option<PyErr>>,
    owner: Arc<Owner>,
}

struct LoopNames {
    scheduled: Py<PyString>,
    when: Py<PyString>,
    stopping: Py<PyString>,
    readable: Py<PyString>,
}

impl LoopDriver {
    /// A driver for `event_loop`, a `glue.EventLoop`. Call inside the runtime.
    pub(super) fn new(event_loop: &Bound<'_, PyAny>, waker: Waker, owner: &Arc<Owner>) -> PyResult<Rc<Self>> {
        let py = event_loop.py();
        let selector = event_loop.getattr("_selector")?;
        let fd: RawFd = selector.call_method0("fileno")?.extract()?;
        let time: f64 = event_loop.call_method0("time")?.extract()?;
        let name = |name| PyString::intern(py, name).unbind();
        Ok(Rc::new(Self {
            run_once: event_loop.getattr("_pounce_turn")?.unbind(),
            ready: event_loop.getattr("_ready")?.unbind(),
            event_loop: event_loop.clone().unbind(),
            selector: selector.unbind(),
            names: LoopNames {
                scheduled: name("_scheduled"),
                when: name("_when"),
                stopping: name("_stopping"),
                readable: name("readable"),
            },
            selector_fd: watch(fd)?,
            waker,
            deadline: RefCell::new(Deadline::new()?),
            timers: RefCell::new(event_loop.getattr("_scheduled")?.cast_into::<PyList>()?.unbind()),
            armed: RefCell::default(),
            epoch: (Instant::now(), time),
            raised: RefCell::new(None),
            owner: Arc::clone(owner),
        }))
    }

    /// Wakes the loop if Python code called from outside it has scheduled something.
    pub(super) fn look(&self) {
        // SAFETY: every caller is attached.
        let py = unsafe { Python::assume_attached() };
        if self.has_ready(py) || !self.is_armed_for(self.first_timer(py).as_ref()) {
            self.waker.wake_by_ref();
        }
    }

    /// Makes the loop raise `error` as if a turn had raised it.
    pub(super) fn raise(&self, error: PyErr) {
        self.raised.replace(Some(error));
        self.waker.wake_by_ref();
    }

    /// Takes turns until the loop is stopped. Polled by the runtime, attached.
    pub(super) fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<()>> {
        self.owner.drop_deferred();
        // A signal wakes the loop. Calling its handlers only after a wait (`park`) would not do: the runtime may have
        // noticed the wake-up without waiting.
        signals::call_handlers(py);
        if let Some(error) = self.raised.take() {
            return Poll::Ready(Err(error));
        }
        let mut readable = match self.selector_fd.poll_read_ready(cx) {
            Poll::Ready(Ok(guard)) => Some(guard),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => None,
        };
        let due = match self.deadline.borrow_mut().poll(cx) {
            Poll::Ready(rung) => {
                rung?;
                self.armed.take();
                true
            }
            Poll::Pending => false,
        };
        if readable.is_some() || due || self.has_ready(py) {
            self.turn(py, readable.is_some())?;
            if let Some(mut guard) = readable.take() {
                // Run the woken tasks at once rather than after polling all of the server's sockets: most
                // applications wait for one thing at a time.
                if self.has_ready(py) && !self.is_stopping(py)? {
                    self.turn(py, false)?;
                }
                // The selector is level-triggered, but the runtime reports its readiness only once. So ask until no
                // event is left.
                if is_readable(self.selector_fd.get_ref())? {
                    cx.waker().wake_by_ref();
                } else {
                    guard.clear_ready();
                    // Clearing registers no waker; only another poll does. Without it the next event on one of the
                    // application's descriptors would wake nothing.
                    if self.selector_fd.poll_read_ready(cx).is_ready() {
                        cx.waker().wake_by_ref();
                    }
                }
            }
        }
        if self.is_stopping(py)? {
            return Poll::Ready(Ok(()));
        }
        self.arm(py, cx)?;
        if self.has_ready(py) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// One turn of asyncio's loop.
    fn turn(&self, py: Python<'_>, readable: bool) -> PyResult<()> {
        self.selector.bind(py).setattr(&self.names.readable, readable)?;
        let ran = self.run_once.bind(py).call0();
        let timers = self.event_loop.bind(py).getattr(&self.names.scheduled)?;
        self.timers.replace(timers.cast_into::<PyList>()?.unbind());
        match ran {
            Err(error)
                if error.is_instance_of::<PySystemExit>(py)
                    || error.is_instance_of::<PyKeyboardInterrupt>(py) =>
            {
                // asyncio lets these two exceptions end the loop. The server ends when told to, not when a task of
                // the application calls sys.exit().
                tracing::error!(target: "pounce", "a task of the application raised {error}; the server goes on");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    fn has_ready(&self, _attached: Python<'_>) -> bool {
        // SAFETY: attached, and the deque is alive.
        unsafe { ffi::PyObject_Size(self.ready.as_ptr()) > 0 }
    }

    fn is_stopping(&self, py: Python<'_>) -> PyResult<bool> {
        self.event_loop.bind(py).getattr(&self.names.stopping)?.is_truthy()
    }

    fn first_timer<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let timers = self.timers.borrow();
        let timers = timers.bind(py);
        // Check first: indexing an empty list would raise, which costs more than everything else here.
        if timers.is_empty() { None } else { timers.get_item(0).ok() }
    }

    /// Whether the deadline is set for `first`.
    fn is_armed_for(&self, first: Option<&Bound<'_, PyAny>>) -> bool {
        match (&*self.armed.borrow(), first) {
            (Some(armed), Some(first)) => armed.is(first),
            (None, None) => true,
            _ => false,
        }
    }

    /// Makes the runtime wake the loop when its first timer is due.
    fn arm(&self, py: Python<'_>, cx: &mut Context<'_>) -> PyResult<()> {
        let first = self.first_timer(py);
        if self.is_armed_for(first.as_ref()) {
            return Ok(());
        }
        let when = first.as_ref().and_then(|first| first.getattr(&self.names.when).ok()?.extract().ok());
        self.armed.replace(first.map(Bound::unbind));
        let Some(when): Option<f64> = when else { return Ok(()) };
        let after = Duration::try_from_secs_f64((when - self.epoch.1).max(0.0)).unwrap_or(Duration::MAX);
        let now = Instant::now();
        // A timer beyond the range of the clock is checked again in a year.
        let deadline =
            self.epoch.0.checked_add(after).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600));
        let mut alarm = self.deadline.borrow_mut();
        alarm.set(deadline, now)?;
        // Registers the task; the alarm may already have gone off.
        if alarm.poll(cx).is_ready() {
            self.armed.take();
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

/// Whether a selector has events for asyncio, without taking them.
fn is_readable(selector: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(selector.as_fd(), PollFlags::POLLIN)];
    match poll(&mut polled, PollTimeout::ZERO) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Makes the runtime watch a selector's descriptor.
fn watch(fd: RawFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the selector that owns the descriptor is alive; the descriptor is only duplicated.
    let own = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
    // SAFETY: the `AsyncFd` owns the descriptor, which stays open and is never replaced.
    Ok(unsafe { AsyncFd::register_with_interest(own, Interest::READABLE)? })
}
