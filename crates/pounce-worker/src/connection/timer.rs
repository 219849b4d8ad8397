//! What a connection or a stream waits for, since when, and whether the wait takes too long.

use std::task::Context;
use std::time::{Duration, Instant};

use pounce_asgi::ExchangeId;

use super::alarm::Alarm;
use super::pace::{LeastRate, Pace};
use crate::settings::Settings;

/// A reason to wait.
pub(super) trait Wait: Copy + PartialEq {
    /// The bytes whose movement restarts the wait.
    fn progress(self) -> Progress;

    /// Whether the client must also move these bytes at the minimum rate.
    fn is_paced(self) -> bool {
        self.progress() != Progress::None
    }
}

/// The sign of progress by a client for which the server waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: the wait is measured from its beginning.
    None,
    /// The client sends.
    Received,
    /// The client reads.
    Sent,
}

/// How many bytes have moved so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Bytes received from the client.
    pub(super) received: u64,
    /// Bytes handed on towards the client.
    pub(super) sent: u64,
}

/// The deadline of one connection or stream.
#[derive(Debug)]
pub(super) struct Timer<W> {
    wait: W,
    /// The exchange during or after which the server waits.
    exchange: ExchangeId,
    since: Instant,
    moved: Moved,
    /// How fast the client sends the current body.
    sender: Pace,
    /// How fast the client reads.
    reader: Pace,
    alarm: Alarm,
}

impl<W: Wait> Timer<W> {
    pub(super) fn new(wait: W, now: Instant) -> Self {
        Self {
            wait,
            exchange: 0,
            since: now,
            moved: Moved::default(),
            sender: Pace::default(),
            reader: Pace::default(),
            alarm: Alarm::default(),
        }
    }

    /// Notes the current wait. True if the client has made progress since the last call. Progress restarts the wait;
    /// so does another exchange.
    pub(super) fn set(&mut self, wait: W, exchange: ExchangeId, moved: Moved, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.moved, moved);
        let goes_on = match wait.progress() {
            Progress::None => false,
            Progress::Received => moved.received != before.received,
            Progress::Sent => moved.sent != before.sent,
        };
        if self.exchange != exchange {
            self.sender.end();
        }
        if goes_on || self.wait != wait || self.exchange != exchange {
            self.wait = wait;
            self.exchange = exchange;
            self.since = now;
        }
        goes_on
    }

    /// True once the wait has taken longer than `limit`, or the client moves bytes too slowly; otherwise the task is
    /// woken to check again. `taken` returns how many bytes the client has taken off the socket.
    pub(super) fn poll_expired(
        &mut self,
        limit: Option<Duration>,
        settings: &Settings,
        taken: impl Fn() -> i64,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        let paced = self.pace(settings, taken, now);
        let limit = limit.and_then(|limit| self.since.checked_add(limit));
        let deadline = limit.into_iter().chain(paced).min();
        deadline.is_some_and(|deadline| self.alarm.poll_expired(deadline, now, cx))
    }

    /// The current wait.
    pub(super) fn wait(&self) -> W {
        self.wait
    }

    /// For when another task takes over: an alarm already set would wake the previous task.
    pub(super) fn forget_alarm(&mut self) {
        self.alarm = Alarm::default();
    }

    /// Measures the client's rate. Returns when to measure again, which is `now` if the client is too slow.
    fn pace(&mut self, settings: &Settings, taken: impl Fn() -> i64, now: Instant) -> Option<Instant> {
        let measured = if self.wait.is_paced() { self.wait.progress() } else { Progress::None };
        if measured != Progress::Received {
            self.sender.pause(now);
        }
        if measured != Progress::Sent {
            self.reader.end();
        }
        let rate = |bytes| LeastRate::over(settings.rate_window, bytes);
        match measured {
            Progress::None => None,
            Progress::Received => {
                let least = rate(settings.http.limit_min_body_rate);
                self.sender.wait(least, now, || self.moved.received.cast_signed())
            }
            Progress::Sent => self.reader.wait(rate(settings.http.limit_min_read_rate), now, taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::num::NonZeroU64;
    use std::task::Poll;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Reason {
        Head,
        Body,
    }

    impl Wait for Reason {
        fn progress(self) -> Progress {
            if self == Self::Body { Progress::Received } else { Progress::None }
        }
    }

    const LIMIT: Option<Duration> = Some(Duration::from_secs(10));

    fn later(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Whether the timer has expired, without a runtime.
    fn expired(timer: &mut Timer<Reason>, settings: &Settings, now: Instant) -> bool {
        let paced = timer.pace(settings, || 0, now);
        paced == Some(now) || LIMIT.is_some_and(|limit| now >= timer.since + limit)
    }

    #[test]
    fn bytes_begin_a_wait_for_bytes_anew_and_no_other() {
        let start = Instant::now();
        let settings = Settings::default();
        let received = |received| Moved { received, sent: 0 };
        let mut timer = Timer::new(Reason::Head, start);
        assert!(!timer.set(Reason::Head, 0, received(1), later(start, 9)));
        assert!(expired(&mut timer, &settings, later(start, 10)));
        timer.set(Reason::Body, 0, received(1), later(start, 10));
        assert!(timer.set(Reason::Body, 0, received(2), later(start, 19)));
        assert!(!expired(&mut timer, &settings, later(start, 28)));
        assert!(!timer.set(Reason::Body, 0, received(2), later(start, 28)));
        assert!(expired(&mut timer, &settings, later(start, 29)));
    }

    #[test]
    fn another_exchange_begins_the_same_wait_anew() {
        let start = Instant::now();
        let settings = Settings::default();
        let mut timer = Timer::new(Reason::Head, start);
        timer.set(Reason::Head, 1, Moved::default(), later(start, 9));
        timer.set(Reason::Head, 1, Moved::default(), later(start, 18));
        assert!(!expired(&mut timer, &settings, later(start, 18)));
        assert!(expired(&mut timer, &settings, later(start, 19)));
    }

    #[test]
    fn a_body_that_comes_too_slowly_ends_the_wait_though_it_comes() {
        let start = Instant::now();
        let mut settings = Settings::default();
        settings.http.limit_min_body_rate = NonZeroU64::new(100);
        let mut timer = Timer::new(Reason::Body, start);
        let mut late = Vec::new();
        for second in 0..=30 {
            timer.set(Reason::Body, 0, Moved { received: second, sent: 0 }, later(start, second));
            late.push(expired(&mut timer, &settings, later(start, second)));
        }
        assert_eq!(late.iter().position(|late| *late), Some(30));
    }

    #[test]
    fn the_task_is_woken_at_the_deadline() {
        let limit = Some(Duration::from_millis(1));
        let mut timer = Timer::new(Reason::Head, Instant::now());
        let settings = Settings::default();
        let expired = poll_fn(|cx| match timer.poll_expired(limit, &settings, || 0, Instant::now(), cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(expired);
    }
}
