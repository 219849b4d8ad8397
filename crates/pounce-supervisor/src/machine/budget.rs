//! How often a slot's worker may be restarted, and how long each restart waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest wait before a restart.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The restarts of one slot. It outlives the workers: a restart does not earn a fresh budget.
#[derive(Debug, Default)]
pub(super) struct Budget {
    restarts: VecDeque<Instant>,
}

impl Budget {
    /// Takes one restart out of the budget and returns how long to wait for it: `min(0.5·2^(n−1), 30)` seconds
    /// for the nth within the window. `None` if the budget is used up.
    pub(super) fn take(&mut self, now: Instant, limit: usize, window: Duration) -> Option<Duration> {
        self.restarts.retain(|at| now.saturating_duration_since(*at) < window);
        if self.restarts.len() >= limit {
            return None;
        }
        self.restarts.push_back(now);
        let doublings = u32::try_from(self.restarts.len() - 1).unwrap_or(u32::MAX).min(10);
        Some(Duration::from_millis(500 << doublings).min(MAX_WAIT))
    }

    /// Forgets past restarts: a reload may have fixed the cause.
    pub(super) fn renew(&mut self) {
        self.restarts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn the_wait_doubles_up_to_half_a_minute() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let waits: Vec<u64> =
            (0..12).filter_map(|_| budget.take(now, 9, WINDOW)).map(|wait| wait.as_millis() as u64).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn a_restart_counts_for_the_window_and_no_longer() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        for at in 0..5 {
            assert!(budget.take(start + Duration::from_secs(at), 5, WINDOW).is_some());
        }
        assert!(budget.take(start + Duration::from_secs(59), 5, WINDOW).is_none());
        // Only the first has left the window by now.
        assert!(budget.take(start + Duration::from_secs(60), 5, WINDOW).is_some());
        assert!(budget.take(start + Duration::from_secs(60), 5, WINDOW).is_none());
    }

    #[test]
    fn without_a_limit_of_restarts_there_is_none() {
        assert!(Budget::default().take(Instant::now(), 0, WINDOW).is_none());
    }
}
