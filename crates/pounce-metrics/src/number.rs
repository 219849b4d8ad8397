//! Numbers that one thread writes and any may read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Adds to a number that no other thread writes.
pub(crate) fn add(number: &AtomicU64, count: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

/// Subtracts from a number that no other thread writes.
pub(crate) fn subtract(number: &AtomicU64, count: u64) {
    number.store(number.load(Ordering::Relaxed).saturating_sub(count), Ordering::Relaxed);
}

/// Now, in microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
