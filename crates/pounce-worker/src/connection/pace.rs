//! Whether a client moves bytes at a minimum rate while the server waits for it. Timers and the fate of slow clients
//! are elsewhere.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// How fast a client is. Only time during which the server waits for the client counts.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Window>);

#[derive(Debug)]
struct Window {
    /// How long the server has waited for the client.
    waited: Duration,
    /// The time up to which `waited` is counted; `None` while the server does not wait for the client.
    counted_to: Option<Instant>,
    /// How many bytes had moved when the window began.
    count: i64,
}

impl Pace {
    /// Notes that the server waits for the client. Returns when to call again: `now` if the client was too slow.
    /// `count` returns how many bytes have moved so far; it is called only when a window begins or ends.
    pub(super) fn wait(
        &mut self,
        least: Option<LeastRate>,
        now: Instant,
        count: impl Fn() -> i64,
    ) -> Option<Instant> {
        let least = least?;
        let window = self.0.get_or_insert_with(|| Window::begin(count(), now));
        window.count_to(now);
        if window.waited >= least.window {
            let count = count();
            if i128::from(count) - i128::from(window.count) < least.bytes_in_window() {
                return Some(now);
            }
            *window = Window::begin(count, now);
        }
        now.checked_add(least.window - window.waited)
    }

    /// Stops counting time until the next [`wait`](Self::wait).
    pub(super) fn pause(&mut self, now: Instant) {
        if let Some(window) = &mut self.0 {
            window.count_to(now);
            window.counted_to = None;
        }
    }

    /// Drops the window: nothing is left to wait for.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}

impl Window {
    fn begin(count: i64, now: Instant) -> Self {
        Self { waited: Duration::ZERO, counted_to: Some(now), count }
    }

    fn count_to(&mut self, now: Instant) {
        if let Some(before) = self.counted_to.replace(now) {
            self.waited += now.saturating_duration_since(before);
        }
    }
}

/// A minimum rate, measured over windows of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeastRate {
    /// Bytes a second.
    bytes: NonZeroU64,
    window: Duration,
}

impl LeastRate {
    /// A rate of `bytes` a second; without it, no minimum.
    pub(super) fn over(window: Duration, bytes: Option<NonZeroU64>) -> Option<Self> {
        bytes.map(|bytes| Self { bytes, window })
    }

    fn bytes_in_window(self) -> i128 {
        let thousandths = u128::from(self.bytes.get()).saturating_mul(self.window.as_millis());
        i128::try_from(thousandths / 1000).unwrap_or(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least() -> Option<LeastRate> {
        LeastRate::over(Duration::from_secs(30), NonZeroU64::new(100))
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_is_measured_over_whole_windows() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut wait = |second, count| pace.wait(least(), after(start, second), || count);
        assert_eq!(wait(0, 1000), Some(after(start, 30)));
        // Nothing for a long time, then much at once.
        assert_eq!(wait(29, 1000), Some(after(start, 30)));
        assert_eq!(wait(30, 4000), Some(after(start, 60)));
        // A surplus of the previous window does not count in this one.
        assert_eq!(wait(31, 6000), Some(after(start, 60)));
        assert_eq!(wait(60, 6999), Some(after(start, 60)));
    }

    #[test]
    fn a_byte_now_and_then_is_too_slow() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for second in 0..30 {
            let due = pace.wait(least(), after(start, second), || second.cast_signed());
            assert_eq!(due, Some(after(start, 30)), "{second}");
        }
        assert_eq!(pace.wait(least(), after(start, 30), || 30), Some(after(start, 30)));
    }

    #[test]
    fn time_in_which_nothing_is_waited_for_does_not_count_and_gives_no_new_window() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut at = start;
        for _ in 0..15 {
            pace.wait(least(), at, || 0);
            at += Duration::from_secs(1);
            pace.pause(at);
            at += Duration::from_secs(600);
            pace.pause(at);
        }
        // 15 seconds of waiting in total: 15 are left.
        assert_eq!(pace.wait(least(), at, || 0), Some(at + Duration::from_secs(15)));
        at += Duration::from_secs(15);
        assert_eq!(pace.wait(least(), at, || 2999), Some(at));
        assert_eq!(pace.wait(least(), at, || 3000), Some(at + Duration::from_secs(30)));
    }

    #[test]
    fn a_client_that_has_taken_everything_begins_anew() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.wait(least(), start, || 0);
        pace.end();
        assert_eq!(pace.wait(least(), after(start, 29), || 0), Some(after(start, 59)));
    }

    #[test]
    fn without_a_rate_nobody_is_looked_at() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.wait(None, start, || unreachable!("nothing is measured")), None);
    }

    #[test]
    fn counts_are_not_asked_for_within_a_window() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.wait(least(), start, || 0);
        pace.wait(least(), after(start, 29), || unreachable!("a system call for each write"));
    }

    #[test]
    fn a_rate_that_nobody_reaches_is_no_overflow() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let least = LeastRate::over(Duration::from_secs(30), NonZeroU64::new(u64::MAX));
        pace.wait(least, start, || 0);
        assert_eq!(pace.wait(least, after(start, 30), || i64::MAX), Some(after(start, 30)));
    }
}
