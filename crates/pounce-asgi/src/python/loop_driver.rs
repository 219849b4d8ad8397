//! Drives asyncio's loop, turn by turn, from within the runtime that drives the sockets.
//!
//! A turn is asyncio's `_run_once` ([`turns`](super::turns)). It never waits, because [`LoopDriver`] calls it only when there is something to do,
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
use pyo3::prelude::*;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::deadline::Deadline;
use super::native_loop::HostedLoop;
use super::owner::Owner;
use super::signals;
use super::turns::{Timer, Turns};

/// Takes the turns of one asyncio loop.
pub(super) struct LoopDriver {
    turns: Turns,
    /// A duplicate of the descriptor of the loop's selector.
    selector_fd: AsyncFd<OwnedFd>,
    waker: Waker,
    deadline: RefCell<Deadline>,
    /// The timer that the deadline is set for.
    armed: RefCell<Option<Timer>>,
    /// The same moment on the runtime's clock and on the loop's.
    epoch: (Instant, f64),
    raised: RefCell<Option<PyErr>>,
    owner: Arc<Owner>,
}

impl LoopDriver {
    /// A driver for `event_loop`, a loop of `glue.py`. Call inside the runtime.
    pub(super) fn new(event_loop: &Bound<'_, PyAny>, waker: Waker, owner: &Arc<Owner>) -> PyResult<Rc<Self>> {
        let turns = Turns::of(event_loop, &waker)?;
        let time: f64 = event_loop.call_method0("time")?.extract()?;
        Ok(Rc::new(Self {
            selector_fd: watch(turns.descriptor(event_loop.py())?)?,
            turns,
            waker,
            deadline: RefCell::new(Deadline::new()?),
            armed: RefCell::default(),
            epoch: (Instant::now(), time),
            raised: RefCell::new(None),
            owner: Arc::clone(owner),
        }))
    }

    /// The loop, if it is Pounce's.
    pub(super) fn native(&self) -> Option<&HostedLoop> {
        self.turns.native()
    }

    /// Wakes the loop if Python code called from outside it has scheduled something.
    pub(super) fn look(&self) {
        // SAFETY: every caller is attached.
        let py = unsafe { Python::assume_attached() };
        let is_armed = self.turns.first_timer(py).is_ok_and(|first| *self.armed.borrow() == first);
        if self.turns.has_ready(py) || !is_armed {
            self.waker.wake_by_ref();
        }
    }

    /// Calls what is ready, as asyncio does before what the next event makes ready: a request that arrives must not overtake a
    /// task that was woken before, such as one that waits for a connection of a database's pool.
    pub(super) fn catch_up(&self, py: Python<'_>) {
        if !self.turns.has_ready(py) || self.turns.is_stopping(py).unwrap_or(true) {
            return;
        }
        if let Err(error) = going_on(py, self.turns.call_ready(py)) {
            self.raise(error);
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
        if readable.is_some() || due || self.turns.has_ready(py) {
            self.turn(py, readable.is_some())?;
            if let Some(mut guard) = readable.take() {
                // Run the woken tasks at once rather than after polling all of the server's sockets: most
                // applications wait for one thing at a time.
                if self.turns.has_ready(py) && !self.turns.is_stopping(py)? {
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
        if self.turns.is_stopping(py)? {
            return Poll::Ready(Ok(()));
        }
        self.arm(py, cx)?;
        if !self.turns.rest(py) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// One turn of the loop.
    fn turn(&self, py: Python<'_>, readable: bool) -> PyResult<()> {
        going_on(py, self.turns.take(py, readable))
    }

    /// Makes the runtime wake the loop when its first timer is due.
    fn arm(&self, py: Python<'_>, cx: &mut Context<'_>) -> PyResult<()> {
        let first = self.turns.first_timer(py)?;
        if *self.armed.borrow() == first {
            return Ok(());
        }
        let now = Instant::now();
        let loop_now = self.epoch.1 + now.saturating_duration_since(self.epoch.0).as_secs_f64();
        let when = first.as_ref().and_then(|first| self.turns.wakes_at(py, first, loop_now));
        self.armed.replace(first);
        let Some(when) = when else { return Ok(()) };
        let after = Duration::try_from_secs_f64((when - self.epoch.1).max(0.0)).unwrap_or(Duration::MAX);
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

/// asyncio lets two exceptions end the loop. The server ends when told to, not when a task of the application calls
/// sys.exit().
fn going_on(py: Python<'_>, ran: PyResult<()>) -> PyResult<()> {
    match ran {
        Err(error)
            if error.is_instance_of::<PySystemExit>(py)
                || error.is_instance_of::<PyKeyboardInterrupt>(py) =>
        {
            tracing::error!(target: "pounce", "a task of the application raised {error}; the server goes on");
            Ok(())
        }
        ran => ran,
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
