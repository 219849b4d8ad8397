//! Where values wait whose Python objects died on a foreign thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values whose objects died on a foreign thread, kept until their own thread looks.
pub(super) struct Attic {
    /// None when the loop is gone: from then on values are not dropped.
    kept: Mutex<Option<Vec<Kept>>>,
    /// The same, for the loop's own thread, which alone sets it.
    closed: AtomicBool,
}

impl Default for Attic {
    fn default() -> Self {
        Self { kept: Mutex::new(Some(Vec::new())), closed: AtomicBool::new(false) }
    }
}

struct Kept(#[allow(dead_code)] Box<dyn std::any::Any>);

// SAFETY: a kept value is only moved; it is looked at and dropped by its own thread alone, in `clear`.
unsafe impl Send for Kept {}

impl Attic {
    pub(super) fn keep<T: 'static>(&self, value: T) {
        match &mut *self.lock() {
            Some(kept) => kept.push(Kept(Box::new(value))),
            // The loop is gone, and the interpreter may be going. What the value refers to goes with them; dropping
            // it now would need both.
            None => std::mem::forget(value),
        }
    }

    /// Drops what is kept. On the worker's thread.
    pub(super) fn clear(&self) {
        let kept = self.lock().as_mut().map(std::mem::take);
        drop(kept);
    }

    /// The loop is gone. On its thread.
    pub(super) fn close(&self) {
        let kept = self.lock().take();
        self.closed.store(true, Ordering::Relaxed);
        drop(kept);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
