//! What the loops of one interpreter share: the types of handles, and interned names.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The kinds of handles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An `asyncio.Handle`.
    Handle,
    /// An `asyncio.events._ThreadSafeHandle` (Python 3.14): who cancels it on another thread waits until its callback has ended.
    ThreadSafe,
    /// An `asyncio.TimerHandle`.
    Timer,
}

/// Of one interpreter. It lives as long as the interpreter does: handles may outlive every loop.
pub(super) struct Kinds {
    pub(super) handle: *mut ffi::PyTypeObject,
    /// Null where asyncio has no such handles.
    pub(super) thread_safe: *mut ffi::PyTypeObject,
    pub(super) timer: *mut ffi::PyTypeObject,
    /// What `call_soon_threadsafe()` makes. None where it is left to asyncio.
    pub(super) sent: Option<Kind>,
    /// `asyncio.Handle` and `asyncio.TimerHandle`.
    pub(super) asyncio_handle: *mut ffi::PyTypeObject,
    pub(super) asyncio_timer: *mut ffi::PyTypeObject,
    pub(super) names: Names,
}

impl Kinds {
    /// The type of handles of this kind.
    pub(super) fn type_of(&self, kind: Kind) -> *mut ffi::PyTypeObject {
        match kind {
            Kind::Handle => self.handle,
            Kind::ThreadSafe => self.thread_safe,
            Kind::Timer => self.timer,
        }
    }
}

/// Interned strings.
pub(super) struct Names {
    pub(super) time: Py<PyString>,
    pub(super) context: Py<PyString>,
    pub(super) run: Py<PyString>,
    pub(super) slow_call_soon: Py<PyString>,
    pub(super) slow_call_soon_threadsafe: Py<PyString>,
    pub(super) slow_call_at: Py<PyString>,
    pub(super) slow_call_later: Py<PyString>,
    pub(super) report: Py<PyString>,
    pub(super) data_received: Py<PyString>,
    pub(super) get_buffer: Py<PyString>,
    pub(super) buffer_updated: Py<PyString>,
    pub(super) run_debug: Py<PyString>,
}
