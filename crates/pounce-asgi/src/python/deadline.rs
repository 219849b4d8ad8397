//! One moment at which the runtime wakes a task, as exact as the kernel's timers.
//!
//! The runtime's own timers have slots of a millisecond and round up, so `asyncio.sleep(0.001)` would take two.

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Later deadlines are cut to this; the loop then checks again.
const FURTHEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A deadline that can be set again and again.
pub(super) struct Deadline {
    alarm: platform::Alarm,
    /// The moment the alarm is set to.
    set_to: Option<Instant>,
}

impl Deadline {
    /// No deadline yet. Call inside the runtime.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { alarm: platform::Alarm::new()?, set_to: None })
    }

    /// Makes [`poll`](Self::poll) ready at `when` at the latest. It may be ready earlier: an alarm already set to an
    /// earlier moment stays, so that timers which are made and cancelled cost no system call.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub(super) fn set(&mut self, when: Instant, now: Instant) -> io::Result<()> {
        let when = when.min(now + FURTHEST);
        if self.set_to.is_some_and(|set_to| set_to <= when) {
            return Ok(());
        }
        self.set_to = Some(when);
        self.alarm.set(when.saturating_duration_since(now))
    }

    /// Ready once, when the alarm has gone off; registers the task otherwise.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.set_to.is_none() {
            return Poll::Pending;
        }
        let polled = self.alarm.poll(cx);
        if polled.is_ready() {
            self.set_to = None;
        }
        polled
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::io;
    use std::os::fd::{AsFd as _, AsRawFd, RawFd};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timerfd(2). It is never read: the runtime sees each expiry as an edge, and setting it clears the count.
    pub(super) struct Alarm(AsyncFd<Timer>);

    struct Timer(TimerFd);

    impl AsRawFd for Timer {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
            let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
            // SAFETY: the timer owns its descriptor, which stays open and the same for as long as it lives.
            Ok(Self(unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE)? }))
        }

        pub(super) fn set(&mut self, after: Duration) -> io::Result<()> {
            // Zero would disarm it.
            let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
            Ok(self.0.get_ref().0.set(Expiration::OneShot(after), TimerSetTimeFlags::empty())?)
        }

        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            // Clearing registers no waker; the caller's next `poll` does.
            ready!(self.0.poll_read_ready(cx))?.clear_ready();
            Poll::Ready(Ok(()))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::future::Future as _;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::{Duration, Instant};

    use tokio::time::Sleep;

    /// The runtime's own timer, exact to a millisecond or two.
    pub(super) struct Alarm(Pin<Box<Sleep>>);

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(Box::pin(tokio::time::sleep(Duration::ZERO))))
        }

        pub(super) fn set(&mut self, after: Duration) -> io::Result<()> {
            self.0.as_mut().reset((Instant::now() + after).into());
            Ok(())
        }

        pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.as_mut().poll(cx).map(Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future as _, poll_fn};
    use tokio::runtime::Builder;

    async fn reached(deadline: &mut Deadline) {
        poll_fn(|cx| deadline.poll(cx)).await.expect("a timer can be waited for");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_comes_before_a_timer_of_the_runtime_for_the_same_moment() {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut deadline = Deadline::new().expect("a descriptor");
            let mut first = 0;
            for _ in 0..50 {
                let now = Instant::now();
                let moment = now + Duration::from_micros(200);
                deadline.set(moment, now).expect("it can be set");
                let mut wheel = std::pin::pin!(tokio::time::sleep_until(moment.into()));
                // If the machine stalls for a millisecond, both are ready.
                let wheel_is_ready = poll_fn(|cx| match (wheel.as_mut().poll(cx), deadline.poll(cx)) {
                    (wheel, Poll::Ready(rung)) => Poll::Ready(rung.map(|()| wheel.is_ready())),
                    (_, Poll::Pending) => Poll::Pending,
                });
                first += u32::from(!wheel_is_ready.await.expect("a timer can be waited for"));
            }
            assert!(first > 0, "it never came first");
        });
    }

    #[test]
    fn an_earlier_moment_replaces_a_later_one_and_not_the_other_way_round() {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut deadline = Deadline::new().expect("a descriptor");
            let now = Instant::now();
            deadline.set(now + Duration::from_secs(3600), now).expect("it can be set");
            deadline.set(now, now).expect("it can be set");
            deadline.set(now + Duration::from_secs(3600), now).expect("it can be set");
            reached(&mut deadline).await;
            assert_eq!(deadline.set_to, None, "it is reached once");
        });
    }
}
