//! In place of the event loop, on systems without epoll(7).

use std::os::fd::RawFd;
use std::task::Waker;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;

/// # Errors
/// Always: there is no such loop here.
pub fn loop_class(_: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Err(needs_linux())
}

fn needs_linux() -> PyErr {
    PyNotImplementedError::new_err("Pounce's event loop needs Linux; use asyncio's")
}

/// There is none.
pub(in crate::python) enum SetAside {}

impl SetAside {
    pub(in crate::python) fn call(self, _: Python<'_>) -> PyResult<()> {
        match self {}
    }
}

/// There is none.
pub(in crate::python) enum HostedLoop {}

impl HostedLoop {
    pub(in crate::python) fn new(event_loop: &Bound<'_, PyAny>, _: Waker) -> PyResult<Self> {
        let _ = event_loop;
        Err(needs_linux())
    }

    pub(in crate::python) fn descriptor(&self) -> RawFd {
        match *self {}
    }

    pub(in crate::python) fn turn(&self, _: Python<'_>, _: bool) -> PyResult<()> {
        match *self {}
    }

    pub(in crate::python) fn call_ready(&self, _: Python<'_>) -> PyResult<()> {
        match *self {}
    }

    pub(in crate::python) fn free_memory(&self) {
        match *self {}
    }

    pub(in crate::python) fn has_ready(&self) -> bool {
        match *self {}
    }

    pub(in crate::python) fn is_stopping(&self) -> bool {
        match *self {}
    }

    pub(in crate::python) fn first_timer(&self) -> Option<f64> {
        match *self {}
    }

    pub(in crate::python) fn wakes_at(&self, _: f64) -> Option<f64> {
        match *self {}
    }

    pub(in crate::python) fn set_aside<R>(&self, _: impl FnOnce() -> R) -> R {
        match *self {}
    }

    pub(in crate::python) fn take_aside(&self) -> Option<SetAside> {
        match *self {}
    }

    pub(in crate::python) fn rest(&self) -> bool {
        match *self {}
    }
}
