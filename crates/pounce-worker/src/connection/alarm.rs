//! A timer of the runtime that is armed seldom.
//!
//! A deadline moves with every request, a timer in the wheel does not have to: it fires early, sees that
//! its deadline has moved on, and is armed again. A busy connection touches the wheel every few seconds.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::Sleep;

/// A timer of the runtime that is armed seldom.
#[derive(Debug, Default)]
pub(in crate::connection) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    fires_at: Option<Instant>,
}

impl Alarm {
    /// True once it is `deadline`; otherwise makes sure that the task is woken then.
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
        // It has just been armed for later: polling only registers the task.
        if sleep.as_mut().poll(cx).is_ready() {
            self.fires_at = None;
            cx.waker().wake_by_ref();
        }
        false
    }
}
