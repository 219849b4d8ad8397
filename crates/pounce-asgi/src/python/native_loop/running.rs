//! The callback that a loop calls at this moment. From Python 3.14 on, a thread that cancels its handle waits until it has ended.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::ffi;

/// The handle whose callback is being called, by its address; 0 if nobody could wait for its end.
#[derive(Default)]
pub(super) struct Running {
    handle: Mutex<usize>,
    ended: Condvar,
}

impl Running {
    /// Runs `body`, which calls the callback of `handle`.
    pub(super) fn during<R>(&self, handle: *mut ffi::PyObject, body: impl FnOnce() -> R) -> R {
        *self.lock() = handle as usize;
        let result = body();
        *self.lock() = 0;
        self.ended.notify_all();
        result
    }

    /// Waits while the callback of `handle` is being called.
    ///
    /// # Safety
    /// Attached, on another thread than the loop's; the handle is alive.
    pub(super) unsafe fn wait_for(&self, handle: *mut ffi::PyObject) {
        let is_running = |running: &MutexGuard<'_, usize>| **running == handle as usize;
        if !is_running(&self.lock()) {
            return;
        }
        // SAFETY: by contract; nothing Python is touched until the state is back, and the lock is free by then.
        unsafe {
            let state = ffi::PyEval_SaveThread();
            let mut running = self.lock();
            while is_running(&running) {
                running = self.ended.wait(running).unwrap_or_else(PoisonError::into_inner);
            }
            drop(running);
            ffi::PyEval_RestoreThread(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
