//! A burst of requests, and its end: once the worker is quiet again, the memory that the burst took can be given back.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

/// So many more exchanges at a time than afterwards are a burst.
const BURST: usize = 64;

/// The worker is quiet when no request has begun for so long.
const QUIET: Duration = Duration::from_secs(1);

/// The most exchanges that ran at a time since the last burst.
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

    /// Waits for a burst to end and for quiet after it. `requests` says how many requests have begun so far.
    pub(crate) async fn over(&self, requests: impl Fn() -> u64) {
        self.over.notified().await;
        let mut before = None;
        while before != Some(requests()) {
            before = Some(requests());
            tokio::time::sleep(QUIET).await;
        }
    }
}
