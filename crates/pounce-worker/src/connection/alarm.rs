//! A runtime timer that is rarely rearmed.
//!
//! A deadline moves with every request, but the runtime's timer stays: it fires early, finds the deadline moved, and is
//! armed again. So a busy connection touches the runtime's timer wheel only every few seconds.
//!
//! What a client has sent counts even if nobody has read it yet: the thread may have been busy for long. So a deadline that has
//! passed expires only once the runtime has looked for events again, which it does before it fires timers.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// The resolution of the runtime's timers. A timer for the slot that has begun would fire at once.
const SLOT: Duration = Duration::from_millis(1);

/// A runtime timer that is rarely rearmed.
#[derive(Debug, Default)]
pub(in crate::connection) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    fires_at: Option<Instant>,
    /// Whether the deadline has passed, and the timer fires after the next look for events.
    has_passed: bool,
}

impl Alarm {
    /// True from `deadline` on, if nothing that came by then has moved it; before, makes sure that the task is woken by then.
    pub(super) fn poll_expired(&mut self, deadline: Instant, now: Instant, cx: &mut Context<'_>) -> bool {
        if now >= deadline {
            if self.has_passed {
                return self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
            }
            self.has_passed = true;
            self.arm(now + SLOT, cx);
            return false;
        }
        self.has_passed = false;
        if !self.fires_at.is_some_and(|at| now < at && at <= deadline) {
            self.arm(deadline, cx);
        }
        false
    }

    /// Has the task woken at that moment.
    fn arm(&mut self, at: Instant, cx: &mut Context<'_>) {
        self.fires_at = Some(at);
        let at = tokio::time::Instant::from_std(at);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().reset(at);
        // The timer was just armed for later: polling only registers the task.
        if sleep.as_mut().poll(cx).is_ready() {
            self.fires_at = None;
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::{Poll, Waker};

    use super::*;

    #[test]
    fn a_deadline_that_has_passed_expires_after_the_next_look_for_events() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let (mut alarm, deadline) = (Alarm::default(), Instant::now());
            // However often and late it is asked: the runtime has not looked in between.
            let cx = &mut Context::from_waker(Waker::noop());
            for late in 0..3 {
                assert!(!alarm.poll_expired(deadline, deadline + Duration::from_secs(late), cx));
            }
            poll_fn(|cx| match alarm.poll_expired(deadline, Instant::now(), cx) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            // A deadline that has moved begins anew.
            let moved = deadline + Duration::from_secs(3600);
            assert!(!alarm.poll_expired(moved, Instant::now(), cx));
            assert!(!alarm.poll_expired(deadline, Instant::now(), cx));
        });
    }
}
