//! A loop that a runtime drives: it takes its turns without waiting, and the runtime waits for its descriptor and timers.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::task::Waker;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::core::{Alarm, Aside, Core};
use super::handle;
use super::instance::core_of;
use super::turn::{self, Events};
use crate::python::object::Ref;

/// A callback that the loop was asked to call soon.
pub(in crate::python) struct SetAside(Ref);

/// A loop of ours, for the runtime that drives it. On the loop's thread, attached.
pub(in crate::python) struct HostedLoop {
    event_loop: Py<PyAny>,
    core: *const Core,
}

impl HostedLoop {
    /// Has the loop wake `waker` from now on.
    ///
    /// # Errors
    /// It is no loop of ours.
    pub(in crate::python) fn new(event_loop: &Bound<'_, PyAny>, waker: Waker) -> PyResult<Self> {
        // SAFETY: attached; the loop is kept alive with the result, and its core as long as it.
        let core = unsafe { core_of(event_loop.as_ptr()) };
        let core = core.ok_or_else(|| PyTypeError::new_err("expected a loop of Pounce"))?;
        core.set_alarm(Alarm::Runtime(waker));
        core.is_hosted.store(true, Ordering::Relaxed);
        if let Some(poller) = &mut *core.poller.borrow_mut() {
            poller.close_waker();
        }
        Ok(Self { core, event_loop: event_loop.clone().unbind() })
    }

    fn core(&self) -> &Core {
        // SAFETY: the loop is alive, and has its core as long.
        unsafe { &*self.core }
    }

    /// The descriptor that is readable while one that the loop watches is ready. -1 once the loop is closed.
    pub(in crate::python) fn descriptor(&self) -> RawFd {
        self.core().poller.borrow().as_ref().map_or(-1, |poller| poller.descriptor())
    }

    /// Takes a turn, with events if the descriptor may be readable.
    ///
    /// # Errors
    /// What ends the loop.
    pub(in crate::python) fn turn(&self, py: Python<'_>, readable: bool) -> PyResult<()> {
        let events = if readable { Events::Poll } else { Events::Ignore };
        // SAFETY: it is the loop of the core.
        unsafe { turn::turn(py, self.event_loop.as_ptr(), self.core(), events) }
    }

    /// Calls the handles that are ready now, without those of timers that are due.
    ///
    /// # Errors
    /// What ends the loop.
    pub(in crate::python) fn call_ready(&self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: it is the loop of the core.
        unsafe { turn::call_ready(py, self.event_loop.as_ptr(), self.core()) }
    }

    /// Gives back the memory of dead handles. Attached.
    pub(in crate::python) fn free_memory(&self) {
        // SAFETY: attached, and on the loop's thread, as its owner is.
        unsafe { (*self.core().free.get()).give_back() };
    }

    /// Whether there are handles to call.
    pub(in crate::python) fn has_ready(&self) -> bool {
        !self.core().ready.borrow().is_empty() || self.core().has_sent()
    }

    pub(in crate::python) fn is_stopping(&self) -> bool {
        self.core().is_stopping()
    }

    /// When the first timer is due, on the loop's clock.
    pub(in crate::python) fn first_timer(&self) -> Option<f64> {
        self.core().timers.borrow().first().map(|timer| timer.when)
    }

    /// When the loop is to take a turn for its timers if it rests from `now` on, on the loop's clock.
    pub(in crate::python) fn wakes_at(&self, now: f64) -> Option<f64> {
        self.core().timers.borrow().wakes_at(now)
    }

    /// Runs `body`, and sets aside what it asks the loop to call soon, once. Nothing else may ask before: the GIL is held, and
    /// until then `body` runs no Python code.
    pub(in crate::python) fn set_aside<R>(&self, body: impl FnOnce() -> R) -> R {
        let core = self.core();
        core.aside.set(Aside::Next);
        let result = body();
        if let Aside::Next = core.aside.get() {
            core.aside.set(Aside::No);
        }
        result
    }

    /// Takes what was set aside.
    pub(in crate::python) fn take_aside(&self) -> Option<SetAside> {
        match self.core().aside.replace(Aside::No) {
            // SAFETY: the reference is owned.
            Aside::Taken(handle) => Some(SetAside(unsafe { Ref::from_owned(handle) })),
            Aside::Next | Aside::No => None,
        }
    }

    /// Has calls from other threads wake the runtime from now on. False if there are handles to call.
    pub(in crate::python) fn rest(&self) -> bool {
        self.core().is_waiting.store(true, Ordering::SeqCst);
        !self.has_ready()
    }
}

impl SetAside {
    /// Calls it, in its context.
    ///
    /// # Errors
    /// The exception that it raises.
    pub(in crate::python) fn call(self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: attached; the handle is one of this loop's, and nobody else knows it to cancel it.
        let result = unsafe { Bound::from_owned_ptr_or_err(py, handle::call(self.0.as_ptr())) };
        result.map(drop)
    }
}

impl Drop for HostedLoop {
    fn drop(&mut self) {
        // The runtime ends before a loop that the application may still refer to.
        self.core().set_alarm(Alarm::Off);
    }
}
