//! The timers, in the order in which asyncio calls them: a heap that moves its elements as Python's `heapq` does.

use pyo3::ffi;

/// By how much a loop may wake later than its first timer is due, in seconds, to call several at once. asyncio's own waits are
/// rounded up to a millisecond.
const SLACK: f64 = 0.0003;

/// So many timers that are due within [`SLACK`] are called at once.
const SEVERAL: usize = 4;

/// A scheduled timer.
#[derive(Clone, Copy)]
pub(super) struct Timer {
    /// In seconds, on the loop's clock.
    pub(super) when: f64,
    /// An owned reference to an instance of `asyncio.TimerHandle`.
    pub(super) handle: *mut ffi::PyObject,
}

/// The scheduled timers.
#[derive(Default)]
pub(super) struct Timers(Vec<Timer>);

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&Timer> {
        self.0.first()
    }

    /// When a loop that waits from `now` on is to wake for its timers: when the first one is due, or a little later where several
    /// are due by then, as each wake-up costs more than a timer.
    pub(super) fn wakes_at(&self, now: f64) -> Option<f64> {
        let first = self.first()?.when;
        let is_crowd = first > now && self.due(0, first + SLACK, SEVERAL) == SEVERAL;
        Some(if is_crowd { first + SLACK } else { first })
    }

    /// How many timers are due by `when`, of those in the subtree at `at`; counts no further than to `most`.
    fn due(&self, at: usize, when: f64, most: usize) -> usize {
        if most == 0 || self.0.get(at).is_none_or(|timer| timer.when > when) {
            return 0;
        }
        let left = 1 + self.due(2 * at + 1, when, most - 1);
        left + self.due(2 * at + 2, when, most - left)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Timer> {
        self.0.iter()
    }

    /// `heapq.heappush`.
    pub(super) fn push(&mut self, timer: Timer) {
        self.0.push(timer);
        self.sift_down(0, self.0.len() - 1);
    }

    /// `heapq.heappop`.
    pub(super) fn pop(&mut self) -> Option<Timer> {
        let last = self.0.pop()?;
        let Some(first) = self.0.first_mut() else { return Some(last) };
        let first = std::mem::replace(first, last);
        self.sift_up(0);
        Some(first)
    }

    /// Takes all out.
    pub(super) fn take(&mut self) -> Vec<Timer> {
        std::mem::take(&mut self.0)
    }

    /// `heapq.heapify`.
    pub(super) fn replace(&mut self, timers: Vec<Timer>) {
        self.0 = timers;
        for at in (0..self.0.len() / 2).rev() {
            self.sift_up(at);
        }
    }

    /// Moves the element at `at` towards `start` until its parent is not later.
    fn sift_down(&mut self, start: usize, mut at: usize) {
        let moved = self.0[at];
        while at > start {
            let parent = (at - 1) / 2;
            if moved.when < self.0[parent].when {
                self.0[at] = self.0[parent];
                at = parent;
            } else {
                break;
            }
        }
        self.0[at] = moved;
    }

    /// Moves the element at `at` to a leaf, always below the earlier child, then back up to its place.
    fn sift_up(&mut self, mut at: usize) {
        let (start, end) = (at, self.0.len());
        let moved = self.0[at];
        let mut child = 2 * at + 1;
        while child < end {
            let right = child + 1;
            if right < end {
                let is_left_earlier = self.0[child].when < self.0[right].when;
                child = if is_left_earlier { child } else { right };
            }
            self.0[at] = self.0[child];
            at = child;
            child = 2 * at + 1;
        }
        self.0[at] = moved;
        self.sift_down(start, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timers(moments: &[f64]) -> Timers {
        let mut timers = Timers::default();
        for &when in moments {
            timers.push(Timer { when, handle: std::ptr::null_mut() });
        }
        timers
    }

    #[test]
    fn a_loop_wakes_exactly_for_few_timers_and_once_for_several() {
        assert_eq!(timers(&[]).wakes_at(1.0), None);
        assert_eq!(timers(&[5.0]).wakes_at(1.0), Some(5.0));
        assert_eq!(timers(&[5.0, 5.0001, 5.0002]).wakes_at(1.0), Some(5.0));
        let crowd = [9.0, 5.0001, 7.0, 5.0, 5.0002, 8.0, 5.00025, 6.0];
        assert_eq!(timers(&crowd).wakes_at(1.0), Some(5.0 + SLACK));
        assert_eq!(timers(&[5.0, 5.0001, 5.0002, 5.0004]).wakes_at(1.0), Some(5.0));
        assert_eq!(timers(&crowd).wakes_at(5.0), Some(5.0), "it does not wait for more when one is due");
    }

    #[test]
    fn timers_that_are_due_are_counted_as_far_as_asked() {
        let all: Vec<f64> = (0..100).rev().map(f64::from).collect();
        let timers = timers(&all);
        for (when, most, count) in
            [(-1.0, 9, 0), (0.0, 9, 1), (30.5, 100, 31), (30.5, 7, 7), (200.0, 200, 100)]
        {
            assert_eq!(timers.due(0, when, most), count, "by {when}, at most {most}");
        }
    }
}
