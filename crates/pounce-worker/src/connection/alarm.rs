//! A runtime timer that is rarely rearmed.
//!
//! A deadline moves with every request, but the runtime's timer stays: it fires early, finds the deadline moved, and is
//! armed again. So a busy connection touches the runtime's timer wheel only every few seconds.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::Sleep;

/// A runtime timer that is rarely rearmed.
#[derive(Debug, Default)]
pub(in crate::connection) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    fires_at: Option<Instant>,
}

impl Alarm {
    /// True from `deadline` on; before, makes sure that the task is woken by then.
    pub(super) fn poll_expired(&mut self, deadline: Instant, now: Instant, cx: &mut Context<'_>) -> bool {
        if now >= deadline {
            return true;
        }
        if self.fires_at.is_some_and(|at| now < at && at <= deadline) {
            return false;
        }
        let at = tokio::time::Instant::from_std(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().reset(at);
        self.fires_at = Some(deadline);
        // The timer was just armed for later: polling only registers the task.
        if sleep.as_mut().poll(cx).is_ready() {
            self.fires_at = None;
            cx.waker().wake_by_ref();
        }
        false
    }
}
