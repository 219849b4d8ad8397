//! When the requests of a run are due: at even distances, fixed beforehand and independent of the server.

use std::time::{Duration, Instant};

/// Arrivals at a fixed rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    began: Instant,
    /// Nanoseconds from one arrival to the next.
    interval: f64,
    /// The number of requests.
    pub(super) count: u64,
}

impl Schedule {
    /// A schedule of `rate` requests a second for `duration`.
    pub(super) fn new(began: Instant, rate: f64, duration: Duration) -> Schedule {
        Schedule { began, interval: 1e9 / rate, count: (rate * duration.as_secs_f64()).round() as u64 }
    }

    /// When a request is due; requests are numbered from 0.
    pub(super) fn at(&self, request: u64) -> Instant {
        self.began + Duration::from_nanos((request as f64 * self.interval) as u64)
    }

    /// How many requests are due by `now`.
    pub(super) fn due(&self, now: Instant) -> u64 {
        let Some(since) = now.checked_duration_since(self.began) else { return 0 };
        ((since.as_nanos() as f64 / self.interval) as u64 + 1).min(self.count)
    }

    /// Microseconds from when a request was due until then.
    pub(super) fn microseconds(&self, request: u64, until: Instant) -> u32 {
        let time = until.saturating_duration_since(self.at(request));
        u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_even_distances() {
        let began = Instant::now();
        let schedule = Schedule::new(began, 1000.0, Duration::from_secs(2));
        let after = |ms| began + Duration::from_millis(ms);
        assert_eq!(schedule.count, 2000);
        assert_eq!(schedule.at(500), after(500));
        assert_eq!((schedule.due(after(0)), schedule.due(after(10))), (1, 11));
        assert_eq!(schedule.due(after(9000)), 2000);
        assert_eq!(schedule.due(began - Duration::from_millis(1)), 0);
    }

    #[test]
    fn a_request_takes_from_when_it_was_due() {
        let began = Instant::now();
        let schedule = Schedule::new(began, 100.0, Duration::from_secs(1));
        assert_eq!(schedule.microseconds(3, began + Duration::from_millis(50)), 20_000);
        assert_eq!(schedule.microseconds(3, began), 0);
    }
}
