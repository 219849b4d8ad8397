//! The requests that wait for the exporter.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Noted;

/// How many requests may wait.
const MOST: usize = 4096;

/// How many of them wake the exporter before its time.
const BATCH: usize = 512;

/// How long a request waits for others of its batch.
const WAIT: Duration = Duration::from_secs(1);

/// Wakes the exporter twice for each batch: with the first request, and when the batch is full. To wake it for each request
/// would cost as much as to serve that request.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    noted: Vec<Noted>,
    is_closed: bool,
}

impl Queue {
    /// Adds a request. False if too many wait.
    pub(super) fn push(&self, noted: Noted) -> bool {
        let mut waiting = self.lock();
        if waiting.noted.len() >= MOST {
            return false;
        }
        waiting.noted.push(noted);
        let count = waiting.noted.len();
        drop(waiting);
        if count == 1 || count == BATCH {
            self.changed.notify_one();
        }
        true
    }

    /// Says that no request will follow.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Puts the next batch in place of `batch`, waiting for it. False when none will follow.
    pub(super) fn take(&self, batch: &mut Vec<Noted>) -> bool {
        batch.clear();
        let goes_on = |waiting: &Waiting, enough: usize| waiting.noted.len() < enough && !waiting.is_closed;
        let first = self.changed.wait_while(self.lock(), |waiting| goes_on(waiting, 1));
        let first = first.unwrap_or_else(PoisonError::into_inner);
        let full = self.changed.wait_timeout_while(first, WAIT, |waiting| goes_on(waiting, BATCH));
        let (mut waiting, _) = full.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.noted, batch);
        !batch.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
