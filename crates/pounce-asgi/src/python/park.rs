//! Letting go of the interpreter while the runtime waits.
//!
//! The thread stays attached while tokio runs tasks, so that a connection calls Python without ado, and
//! detaches only around the wait for events. An idle worker never holds the GIL.

use std::cell::{Cell, RefCell};
use std::rc::Weak;

use pyo3::ffi;
use pyo3::prelude::*;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::loop_driver::LoopDriver;
use super::{forked, pulse, signals};

thread_local! {
    /// The thread state that was detached while this thread waits.
    static DETACHED: Cell<*mut ffi::PyThreadState> = const { Cell::new(std::ptr::null_mut()) };
    /// The loop of this thread, which is told about signals.
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

/// Names the loop that runs on this thread.
pub(super) fn set_driver(driver: Weak<LoopDriver>) {
    DRIVER.set(driver);
}

fn detach() {
    forked::leave_if_child();
    pulse::begin_wait();
    // SAFETY: the runtime is entered attached, and what runs in between leaves the thread attached.
    DETACHED.set(unsafe { ffi::PyEval_SaveThread() });
}

fn attach() {
    pulse::end_wait();
    let state = DETACHED.replace(std::ptr::null_mut());
    // SAFETY: this is the state that `detach` took from this very thread.
    unsafe { ffi::PyEval_RestoreThread(state) };
    // A signal may have ended the wait; its Python handler runs when Python looks.
    // SAFETY: attached, since the line before.
    signals::call_handlers(unsafe { Python::assume_attached() });
    DRIVER.with_borrow(|driver| {
        if let Some(driver) = driver.upgrade() {
            driver.look();
        }
    });
}
