//! The timers, in the order in which asyncio calls them: a heap that moves its elements as Python's `heapq` does.

use pyo3::ffi;

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
