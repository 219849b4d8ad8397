//! How a loop takes its turns: Pounce's in Rust, asyncio's by its Python methods.

use std::os::fd::RawFd;
use std::task::Waker;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use super::native_loop::HostedLoop;

/// A loop that the runtime drives.
pub(super) enum Turns {
    Native(HostedLoop),
    Asyncio(AsyncioTurns),
}

/// A timer of a loop.
pub(super) enum Timer {
    /// Due then, on the loop's clock.
    At(f64),
    /// asyncio's handle. To ask it for its time each turn would cost more than to compare it.
    Handle(Py<PyAny>),
}

/// asyncio's own loop.
pub(super) struct AsyncioTurns {
    event_loop: Py<PyAny>,
    selector: Py<PyAny>,
    /// `BaseEventLoop._run_once`, bound.
    run_once: Py<PyAny>,
    /// The deque of ready handles, one object for the loop's whole life.
    ready: Py<PyAny>,
    scheduled: Py<PyString>,
    when: Py<PyString>,
    stopping: Py<PyString>,
    readable: Py<PyString>,
}

impl Turns {
    /// Those of `event_loop`, a loop of `glue.py`. Pounce's has other threads wake `waker`.
    pub(super) fn of(event_loop: &Bound<'_, PyAny>, waker: &Waker) -> PyResult<Self> {
        let py = event_loop.py();
        if event_loop.getattr("is_native")?.is_truthy()? {
            return Ok(Self::Native(HostedLoop::new(event_loop, waker.clone())?));
        }
        let name = |name| PyString::intern(py, name).unbind();
        Ok(Self::Asyncio(AsyncioTurns {
            event_loop: event_loop.clone().unbind(),
            selector: event_loop.getattr("_selector")?.unbind(),
            run_once: event_loop.getattr("_pounce_turn")?.unbind(),
            ready: event_loop.getattr("_ready")?.unbind(),
            scheduled: name("_scheduled"),
            when: name("_when"),
            stopping: name("_stopping"),
            readable: name("readable"),
        }))
    }

    /// The loop, if it is Pounce's.
    pub(super) fn native(&self) -> Option<&HostedLoop> {
        match self {
            Self::Native(native) => Some(native),
            Self::Asyncio(_) => None,
        }
    }

    /// The descriptor that is readable while one that the loop watches is ready.
    pub(super) fn descriptor(&self, py: Python<'_>) -> PyResult<RawFd> {
        match self {
            Self::Native(native) => Ok(native.descriptor()),
            Self::Asyncio(turns) => turns.selector.bind(py).call_method0("fileno")?.extract(),
        }
    }

    /// One turn, with events if the descriptor may be readable.
    pub(super) fn take(&self, py: Python<'_>, readable: bool) -> PyResult<()> {
        match self {
            Self::Native(native) => native.turn(py, readable),
            Self::Asyncio(turns) => {
                turns.selector.bind(py).setattr(&turns.readable, readable)?;
                turns.run_once.bind(py).call0().map(drop)
            }
        }
    }

    /// Calls the handles that are ready now.
    pub(super) fn call_ready(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Native(native) => native.call_ready(py),
            Self::Asyncio(_) => self.take(py, false),
        }
    }

    /// Whether there are handles to call.
    pub(super) fn has_ready(&self, _attached: Python<'_>) -> bool {
        match self {
            Self::Native(native) => native.has_ready(),
            // SAFETY: attached, and the deque is alive.
            Self::Asyncio(turns) => unsafe { ffi::PyObject_Size(turns.ready.as_ptr()) > 0 },
        }
    }

    /// Has calls from other threads wake the runtime from now on. False if there are handles to call.
    pub(super) fn rest(&self, py: Python<'_>) -> bool {
        match self {
            Self::Native(native) => native.rest(),
            Self::Asyncio(_) => !self.has_ready(py),
        }
    }

    pub(super) fn is_stopping(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Native(native) => Ok(native.is_stopping()),
            Self::Asyncio(turns) => turns.event_loop.bind(py).getattr(&turns.stopping)?.is_truthy(),
        }
    }

    /// The timer that is due first.
    pub(super) fn first_timer(&self, py: Python<'_>) -> PyResult<Option<Timer>> {
        match self {
            Self::Native(native) => Ok(native.first_timer().map(Timer::At)),
            Self::Asyncio(turns) => {
                let scheduled = turns.event_loop.bind(py).getattr(&turns.scheduled)?;
                let timers = scheduled.cast_into::<PyList>()?;
                // Check first: indexing an empty list would raise, which costs more than everything else here.
                let first = if timers.is_empty() { None } else { timers.get_item(0).ok() };
                Ok(first.map(|first| Timer::Handle(first.unbind())))
            }
        }
    }

    /// When to wake for a timer of this loop, the first one, if it rests from `now` on; both on the loop's clock.
    pub(super) fn wakes_at(&self, py: Python<'_>, timer: &Timer, now: f64) -> Option<f64> {
        match (timer, self) {
            (Timer::At(_), Self::Native(native)) => native.wakes_at(now),
            (Timer::Handle(handle), Self::Asyncio(turns)) => {
                handle.bind(py).getattr(&turns.when).ok()?.extract().ok()
            }
            (Timer::At(_), Self::Asyncio(_)) | (Timer::Handle(_), Self::Native(_)) => None,
        }
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::At(when), Self::At(other)) => when == other,
            (Self::Handle(handle), Self::Handle(other)) => handle.is(other),
            _ => false,
        }
    }
}
