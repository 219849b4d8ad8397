//! An asyncio event loop whose hot parts are Rust: handles, timers, the turn, readiness of descriptors, wake-ups.
//!
//! The rest stays CPython's: the Python class (`native_loop/loop.py`) inherits from the type made here and from asyncio's
//! selector loop. Handles are instances of subclasses of `asyncio.Handle` and `asyncio.TimerHandle` and keep their state in those
//! classes' own slots, so that asyncio's Python code works on them as on its own. The order of callbacks is asyncio's.
//!
//! A loop may run on any thread of any interpreter, also where PyO3 has not attached the thread. There PyO3's `Bound` may be used, and
//! a `PyErr` may be passed on, but no `Py` and no `PyErr` may be dropped (see `object.rs`).

mod all_tasks;
mod attributes;
mod background;
mod calls;
mod core;
mod descriptors;
mod errors;
mod handle;
mod handle_type;
mod hosted;
mod instance;
mod kinds;
mod layout;
mod loop_type;
mod poller;
mod running;
mod timers;
mod transport;
mod turn;
mod watches;

use std::ffi::CStr;

use pyo3::prelude::*;

use super::own_module::own_module;
use super::source;

pub(super) use hosted::HostedLoop;

const LOOP: &CStr = source(concat!(include_str!("native_loop/loop.py"), "\0"));

/// The class of the loop, a subclass of `asyncio.SelectorEventLoop`: one for each interpreter.
///
/// # Errors
/// This Python's asyncio lacks something that the loop builds on.
pub fn loop_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let module = own_module(py, c"pounce_loop", LOOP)?;
    if module.getattr("Loop")?.is_none() {
        let sockets = py.import("asyncio.selector_events")?.getattr("_SelectorSocketTransport")?;
        module.call_method1("define", (loop_type::make(py)?, transport::make(&sockets)?))?;
        all_tasks::make_faster(py)?;
    }
    module.getattr("Loop")
}
