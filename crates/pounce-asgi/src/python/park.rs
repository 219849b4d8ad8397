//! Detaching from the interpreter while the runtime waits.
//!
//! The thread stays attached while tokio runs tasks, so that a connection calls Python without acquiring anything, and
//! detaches only around the wait for events. An idle worker never holds the GIL.

use std::cell::{Cell, RefCell};
use std::rc::Weak;

use pyo3::ffi;
use pyo3::prelude::*;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::loop_driver::LoopDriver;
use super::{forked, pulse, signals};

thread_local! {
    /// The detached thread state, while this thread waits.
    static DETACHED: Cell<*mut ffi::PyThreadState> = const { Cell::new(std::ptr::null_mut()) };
    /// The loop of this thread, which must raise the exceptions of signal handlers.
    static DRIVER: RefCell<Weak<LoopDriver>> = const { RefCell::new(Weak::new()) };
}

/// A runtime that detaches from Python while it waits. It must be entered attached.
///
/// # Errors
/// The system has no epoll instance or descriptors left.
pub(super) fn runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .on_thread_park(detach)
        .on_thread_unpark(attach)
        .build_local(LocalOptions::default())
}

/// Sets the loop that runs on this thread.
pub(super) fn set_driver(driver: Weak<LoopDriver>) {
    DRIVER.set(driver);
}

fn detach() {
    forked::leave_if_child();
    pulse::begin_wait();
    // SAFETY: the runtime is entered attached, and every task leaves the thread attached.
    DETACHED.set(unsafe { ffi::PyEval_SaveThread() });
}

fn attach() {
    pulse::end_wait();
    let state = DETACHED.replace(std::ptr::null_mut());
    // SAFETY: `detach` took this state from this thread.
    unsafe { ffi::PyEval_RestoreThread(state) };
    // A signal may have ended the wait: run its Python handler.
    // SAFETY: attached, since the line before.
    signals::call_handlers(unsafe { Python::assume_attached() });
    DRIVER.with_borrow(|driver| {
        if let Some(driver) = driver.upgrade() {
            driver.look();
        }
    });
}
