//! The requests of a worker while they run, for others to look at.
//!
//! A worker lists up to [`LISTED`] requests, and each takes [`PER_REQUEST`] numbers: which one it is (0 while the place is
//! free or being written), when it began, the lengths of method and path, and their bytes. A reader in another process
//! reads the first number before and after the rest, and skips a place that has changed in between.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use crate::layout::{LISTED, PER_REQUEST, REQUEST_LIST, Row, TAKEN};
use crate::number::now;

/// Bytes of a method that are kept.
const METHOD: usize = 16;
/// Bytes of a path that are kept.
const PATH: usize = (PER_REQUEST - 3) * 8 - METHOD;

/// A request that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningRequest {
    /// Its number in its worker.
    pub number: u64,
    /// Its method.
    pub method: String,
    /// The beginning of its path, percent-encoded as received.
    pub path: String,
    /// For how long it has run.
    pub runs_for: Duration,
}

fn place(row: &Row, place: usize) -> &[AtomicU64] {
    &row[REQUEST_LIST][place * PER_REQUEST..][..PER_REQUEST]
}

/// Lists a request; returns its place. `None` if the list is full. Only the row's worker calls this.
pub(crate) fn list(row: &Row, number: u64, method: &[u8], path: &[u8]) -> Option<u8> {
    let taken = row[TAKEN.start].load(Ordering::Relaxed);
    let free = taken.trailing_ones();
    if free as usize >= LISTED {
        return None;
    }
    row[TAKEN.start].store(taken | 1 << free, Ordering::Relaxed);
    let numbers = place(row, free as usize);
    numbers[0].store(0, Ordering::Relaxed);
    fence(Ordering::Release);
    let (method, path) = (&method[..method.len().min(METHOD)], &path[..path.len().min(PATH)]);
    numbers[1].store(now(), Ordering::Relaxed);
    numbers[2].store((method.len() | path.len() << 8) as u64, Ordering::Relaxed);
    write(&numbers[3..3 + METHOD / 8], method);
    write(&numbers[3 + METHOD / 8..], path);
    numbers[0].store(number, Ordering::Release);
    u8::try_from(free).ok()
}

/// Takes a request off the list. Only the row's worker calls this.
pub(crate) fn take_off(row: &Row, at: u8) {
    place(row, at.into())[0].store(0, Ordering::Relaxed);
    let taken = row[TAKEN.start].load(Ordering::Relaxed);
    row[TAKEN.start].store(taken & !(1 << at), Ordering::Relaxed);
}

/// The requests on the list of a row, the oldest first.
pub(crate) fn running(row: &Row) -> Vec<RunningRequest> {
    let taken = row[TAKEN.start].load(Ordering::Relaxed);
    let places = (0..LISTED).filter(|at| taken & 1 << at != 0);
    let mut found: Vec<_> = places.filter_map(|at| read(place(row, at))).collect();
    found.sort_by_key(|request| std::cmp::Reverse(request.runs_for));
    found
}

fn read(numbers: &[AtomicU64]) -> Option<RunningRequest> {
    let number = numbers[0].load(Ordering::Acquire);
    let rest: Vec<u64> = numbers[1..].iter().map(|number| number.load(Ordering::Relaxed)).collect();
    fence(Ordering::Acquire);
    if number == 0 || numbers[0].load(Ordering::Relaxed) != number {
        return None;
    }
    let bytes: Vec<u8> = rest[2..].iter().flat_map(|word| word.to_le_bytes()).collect();
    let (method, path) = bytes.split_at(METHOD);
    let (method_length, path_length) = (rest[1] as usize & 0xff, rest[1] as usize >> 8);
    Some(RunningRequest {
        number,
        method: method[..method_length.min(METHOD)].escape_ascii().to_string(),
        path: path[..path_length.min(PATH)].escape_ascii().to_string(),
        runs_for: Duration::from_micros(now().saturating_sub(rest[0])),
    })
}

fn write(numbers: &[AtomicU64], bytes: &[u8]) {
    for (number, chunk) in numbers.iter().zip(bytes.chunks(8)) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        number.store(u64::from_le_bytes(word), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_listed_while_they_run_and_the_list_has_an_end() {
        let row: Box<Row> = Box::new([const { AtomicU64::new(0) }; crate::layout::NUMBERS]);
        let long = "/".repeat(500);
        let first = list(&row, 1, b"GET", b"/report").expect("a place");
        let second = list(&row, 2, b"PROPPATCH-AND-MORE-THAN-FITS", long.as_bytes()).expect("a place");
        let running = super::running(&row);
        assert_eq!(running.len(), 2);
        let of = |number: u64| running.iter().find(|request| request.number == number).expect("listed");
        assert_eq!((of(1).method.as_str(), of(1).path.as_str()), ("GET", "/report"));
        assert_eq!((of(2).method.as_str(), of(2).path.len()), ("PROPPATCH-AND-MO", PATH));
        take_off(&row, first);
        assert_eq!(super::running(&row).len(), 1);
        assert_eq!(list(&row, 3, b"GET", b"/"), Some(first), "the place is free again");
        take_off(&row, second);
        let places: Vec<_> = (4..).map_while(|number| list(&row, number, b"GET", b"/")).collect();
        assert_eq!(places.len(), LISTED - 1);
        assert_eq!(super::running(&row).len(), LISTED);
    }
}
