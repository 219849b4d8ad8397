//! Histograms: how many observations were at most so long, and their sum.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::number::add;

/// The upper bounds of all histograms, in microseconds: 100 µs to 60 s. Above them is one bucket more.
pub(crate) const BOUNDS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// How many numbers a histogram has: the buckets, and the sum in nanoseconds.
pub(crate) const NUMBERS: usize = BOUNDS.len() + 2;

/// Adds an observation.
pub(crate) fn observe(numbers: &[AtomicU64], value: Duration) {
    let micros = u64::try_from(value.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    let bucket = BOUNDS.partition_point(|bound| *bound < micros);
    add(&numbers[bucket], 1);
    add(&numbers[NUMBERS - 1], u64::try_from(value.as_nanos()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn an_observation_is_in_the_first_bucket_that_is_not_below_it() {
        let numbers: [AtomicU64; NUMBERS] = Default::default();
        let at = |bucket: usize| numbers[bucket].load(Ordering::Relaxed);
        observe(&numbers, Duration::ZERO);
        observe(&numbers, Duration::from_micros(100));
        assert_eq!(at(0), 2);
        observe(&numbers, Duration::from_nanos(100_001));
        assert_eq!(at(1), 1);
        observe(&numbers, Duration::from_secs(3600));
        assert_eq!(at(BOUNDS.len()), 1);
        assert_eq!(at(NUMBERS - 1), 100_000 + 100_001 + 3600 * 1_000_000_000);
    }
}
