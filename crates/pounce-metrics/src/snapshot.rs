//! The sum of all rows at one time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::buckets::{self, BOUNDS};
use crate::labels::{self, STATUSES};
use crate::layout::{self, Row, SUMMED};

/// The sum of all rows.
#[derive(Debug, Clone)]
pub struct Snapshot {
    numbers: Vec<u64>,
    processes: BTreeSet<u32>,
    /// When the loop that is most overdue was to report.
    due: Option<Duration>,
    started: Duration,
}

/// A histogram of durations.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSum {
    /// For each bucket its upper bound in seconds, and how many observations are in it and in none before.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all observations in seconds.
    pub sum: f64,
}

impl Snapshot {
    pub(crate) fn of(server: &Row, workers: &[Row]) -> Self {
        let mut numbers = vec![0_u64; SUMMED];
        let (mut processes, mut due) = (BTreeSet::new(), None::<u64>);
        for row in workers {
            for (sum, number) in numbers.iter_mut().zip(row) {
                *sum = sum.wrapping_add(number.load(Ordering::Relaxed));
            }
            let at = |at: usize| row[at].load(Ordering::Relaxed);
            processes.extend(u32::try_from(at(layout::PROCESS.start)).ok().filter(|process| *process > 0));
            due = due.into_iter().chain(Some(at(layout::DUE.start)).filter(|due| *due > 0)).min();
        }
        let of_server = |at: usize| server[at].load(Ordering::Relaxed);
        for at in layout::RESTARTS {
            numbers[at] = of_server(at);
        }
        processes.extend(u32::try_from(of_server(layout::PROCESS.start)));
        let started = Duration::from_micros(of_server(layout::STARTED.start));
        Self { numbers, processes, due: due.map(Duration::from_nanos), started }
    }

    /// When the server started, since the Unix epoch.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// The processes of the server and its workers.
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().copied()
    }

    /// How overdue the most overdue event loop is at `now`, by the monotonic clock: for how long nothing else has run on it.
    pub fn stuck_for(&self, now: Duration) -> Duration {
        self.due.map_or(Duration::ZERO, |due| now.saturating_sub(due))
    }

    /// How long requests took.
    pub fn durations(&self) -> HistogramSum {
        self.histogram(layout::DURATIONS)
    }

    /// Workers that serve.
    pub fn serving(&self) -> u64 {
        self.number(layout::SERVING.start)
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.number(layout::IN_FLIGHT.start)
    }

    /// Requests that are over.
    pub fn requests(&self) -> u64 {
        self.part(layout::REQUESTS).iter().sum()
    }

    /// Requests answered with 5xx.
    pub fn server_errors(&self) -> u64 {
        let of_method = self.part(layout::REQUESTS).chunks(STATUSES.len());
        of_method.map(|statuses| statuses[labels::status(500)]).sum()
    }

    /// Open connections.
    pub fn open_connections(&self) -> u64 {
        self.part(layout::OPEN).iter().sum()
    }

    /// Open WebSockets.
    pub fn open_websockets(&self) -> u64 {
        self.number(layout::OPEN_WEBSOCKETS.start)
    }

    /// Workers started in the place of others.
    pub fn restarts(&self) -> u64 {
        self.part(layout::RESTARTS).iter().sum()
    }

    /// How long event loops were blocked.
    pub fn blocked(&self) -> Duration {
        Duration::from_nanos(self.number(layout::BLOCKED.start))
    }

    pub(crate) fn number(&self, at: usize) -> u64 {
        self.numbers[at]
    }

    pub(crate) fn part(&self, range: Range<usize>) -> &[u64] {
        &self.numbers[range]
    }

    pub(crate) fn histogram(&self, range: Range<usize>) -> HistogramSum {
        let numbers = self.part(range);
        let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        let buckets = bounds.zip(numbers.iter().copied()).collect();
        HistogramSum { buckets, sum: numbers[buckets::NUMBERS - 1] as f64 / 1e9 }
    }
}

impl HistogramSum {
    /// The number of observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// What was observed since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let pairs = self.buckets.iter().zip(&before.buckets);
        let buckets = pairs.map(|((bound, now), (_, then))| (*bound, now.saturating_sub(*then))).collect();
        Self { buckets, sum: self.sum - before.sum }
    }

    /// Below what, in seconds, this share of the observations is: estimated as Prometheus does, by a straight line within
    /// the bucket. `None` without observations.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = self.count() as f64 * share;
        let (mut below, mut seen) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            let count = *count as f64;
            if count > 0.0 && seen + count >= rank {
                return Some(if bound.is_finite() {
                    below + (bound - below) * (rank - seen) / count
                } else {
                    below
                });
            }
            seen += count;
            below = if bound.is_finite() { *bound } else { below };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, Protocol, Refused, Restart, Rows, Scoreboard, WorkerMetrics};

    #[test]
    fn what_workers_counted_is_summed_and_outlives_them() {
        let board = Scoreboard::new(false).expect("memory");
        let (one, other) =
            (board.take_place(0, 0).expect("a place"), board.take_place(0, 0).expect("a place"));
        for place in [&one, &other] {
            let metrics = place.metrics();
            metrics.serves(7);
            metrics.request_begun(1, b"GET", b"/");
            metrics.request_begun(1, b"GET", b"/");
            metrics.request_ended(None, b"GET", 200, Some(Duration::from_millis(3)));
            metrics.connection_opened(Protocol::Http1);
            metrics.bytes(Direction::Sent, 10);
            metrics.refused(Refused::Timeout);
        }
        board.restarted(Restart::Ended);
        let seen = board.rows().snapshot();
        assert_eq!((seen.requests(), seen.in_flight(), seen.serving()), (2, 2, 2));
        assert_eq!(seen.processes().collect::<BTreeSet<_>>(), [7, std::process::id()].into());
        let number = one.number();
        drop(one);
        let seen = board.rows().snapshot();
        assert_eq!((seen.requests(), seen.in_flight(), seen.serving()), (2, 1, 1));
        assert_eq!(seen.number(layout::OPEN.start), 1);
        assert_eq!(seen.number(layout::RESTARTS.start), 1);
        let next = board.take_place(0, 0).expect("a place");
        assert_eq!(next.number(), number, "the place is free again");
        next.metrics().request_begun(1, b"GET", b"/");
        next.metrics().request_ended(None, b"GET", 500, None);
        assert_eq!(board.rows().snapshot().requests(), 3);
        assert_eq!(board.rows().snapshot().durations().count(), 2);
    }

    #[test]
    fn another_mapping_of_the_memory_sees_the_same() {
        use std::os::fd::{AsFd as _, AsRawFd as _};
        let board = Scoreboard::new(false).expect("memory");
        let place = board.take_place(0, 0).expect("a place");
        let again = Rows::from_raw_fd(place.as_fd().as_raw_fd()).expect("the same memory");
        let metrics = WorkerMetrics::new(again.clone(), place.number());
        metrics.request_begun(1, b"GET", b"/");
        metrics.request_ended(None, b"PUT", 204, None);
        assert_eq!(board.rows().snapshot().requests(), 1);
        // A number from elsewhere is nobody's place, and nothing fails.
        WorkerMetrics::new(again, u32::MAX).request_begun(1, b"GET", b"/");
    }

    #[test]
    fn quantiles_are_estimated_within_buckets() {
        let sum = HistogramSum { buckets: vec![(1.0, 50), (2.0, 40), (f64::INFINITY, 10)], sum: 0.0 };
        assert_eq!(sum.quantile(0.5), Some(1.0));
        assert_eq!(sum.quantile(0.7), Some(1.5));
        assert_eq!(sum.quantile(0.99), Some(2.0));
        assert_eq!(sum.since(&sum).quantile(0.5), None);
    }

    #[test]
    fn the_most_overdue_loop_is_seen() {
        let board = Scoreboard::new(false).expect("memory");
        let places = [board.take_place(0, 0).expect("a place"), board.take_place(0, 0).expect("a place")];
        assert_eq!(board.rows().snapshot().stuck_for(Duration::from_secs(9)), Duration::ZERO);
        places[0].metrics().due(Some(Duration::from_secs(8)));
        places[1].metrics().due(Some(Duration::from_secs(5)));
        assert_eq!(board.rows().snapshot().stuck_for(Duration::from_secs(9)), Duration::from_secs(4));
        places[1].metrics().due(None);
        assert_eq!(board.rows().snapshot().stuck_for(Duration::from_secs(9)), Duration::from_secs(1));
    }
}
