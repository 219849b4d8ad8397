//! Numbers that one thread writes and any may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Adds to a number that no other thread writes.
pub(crate) fn add(number: &AtomicU64, count: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// Subtracts from a number that no other thread writes.
pub(crate) fn subtract(number: &AtomicU64, count: u64) {
    number.store(number.load(Ordering::Relaxed).saturating_sub(count), Ordering::Relaxed);
}
