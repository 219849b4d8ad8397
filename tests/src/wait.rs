//! Bounded waiting: every wait of the suite ends, with a message about what did not happen.

use std::time::{Duration, Instant};

/// How long anything that must happen may take. Generous: it decides whether it happens at all,
/// never how fast.
pub const PATIENCE: Duration = Duration::from_secs(45);

const STEP: Duration = Duration::from_millis(10);

/// Polls until `probe` returns a value, and panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, probe) {
        Some(value) => value,
        None => panic!("did not happen within {PATIENCE:?}: {what}"),
    }
}

/// Polls until `probe` returns a value or `limit` is over.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(STEP);
    }
}
