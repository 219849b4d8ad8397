//! Detects the end of a burst of requests: once the worker is quiet again, it can give back the burst's memory.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

/// A burst has at its peak at least this many more exchanges than after it.
const BURST: usize = 64;

/// The worker is quiet once no request has begun for this long.
const QUIET: Duration = Duration::from_secs(1);

/// The peak of exchanges that ran at a time since the last burst.
#[derive(Default)]
pub(crate) struct Burst {
    most: Cell<usize>,
    over: Notify,
}

impl Burst {
    /// An exchange has begun, and `running` run now.
    pub(crate) fn rise(&self, running: usize) {
        self.most.set(self.most.get().max(running));
    }

    /// An exchange has ended, and `running` still run.
    pub(crate) fn fall(&self, running: usize) {
        if self.most.get() >= running + BURST {
            self.most.set(running);
            self.over.notify_one();
        }
    }

    /// Waits for a burst to end and for quiet after it. `requests` returns how many requests have begun so far.
    pub(crate) async fn over(&self, requests: impl Fn() -> u64) {
        self.over.notified().await;
        let mut before = None;
        while before != Some(requests()) {
            before = Some(requests());
            tokio::time::sleep(QUIET).await;
        }
    }
}
