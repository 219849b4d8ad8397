//! The number of connections of each worker that accepts from a shared socket, visible to all of them.
//!
//! A page of memory shared by processes and threads. It decides nothing; see [`Load::is_ahead`].

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::shared_memory::SharedMemory;

/// How many numbers fit in a page.
const NUMBERS: usize = 1024;

/// The page's first number is an upper bound on the places in use; every further number is a place.
const PLACES: u32 = NUMBERS as u32 - 1;

/// The value of a place whose worker does not accept. An accepting worker stores its number of connections plus one.
const ABSENT: u32 = 0;

/// A table of the connections that each worker has, shared by processes and threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoadTable {
    memory: Arc<SharedMemory<[AtomicU32; NUMBERS]>>,
    /// The reserved places. Complete only in the server's process, which reserves for all workers.
    reserved: Arc<Mutex<BTreeSet<u32>>>,
}

impl LoadTable {
    /// An empty table.
    ///
    /// # Errors
    ///
    /// Memory is exhausted, or the system has no `memfd_create(2)`.
    pub fn new() -> io::Result<Self> {
        SharedMemory::new(c"pounce-load").map(Self::of)
    }

    /// The table behind a descriptor from [`as_fd`](AsFd::as_fd), in this process or in one that inherited it.
    ///
    /// # Errors
    ///
    /// The descriptor is not a load table. It is left open as it was.
    pub fn from_raw_fd(fd: RawFd) -> io::Result<Self> {
        SharedMemory::adopt(fd).map(Self::of)
    }

    fn of(memory: SharedMemory<[AtomicU32; NUMBERS]>) -> Self {
        Self { memory: Arc::new(memory), reserved: Arc::default() }
    }

    /// Reserves a place for a worker that is about to start. `None` if every place is taken: other workers do not
    /// count a worker without a place.
    pub fn reserve(&self) -> Option<Reservation> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (0..PLACES).find(|place| !reserved.contains(place))?;
        reserved.insert(place);
        self.numbers()[0].fetch_max(place + 1, Ordering::Relaxed);
        Some(Reservation { load: self.load(place) })
    }

    /// The worker's side of a reserved place.
    pub fn load(&self, place: u32) -> Load {
        Load { table: self.clone(), place }
    }

    fn numbers(&self) -> &[AtomicU32; NUMBERS] {
        self.memory.get()
    }

    /// The places up to the last one in use.
    fn places(&self) -> &[AtomicU32] {
        let [used, places @ ..] = self.numbers();
        let used = used.load(Ordering::Relaxed) as usize;
        &places[..used.min(places.len())]
    }
}

impl AsFd for LoadTable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

/// A worker's place. Drop it when the worker has ended: the place is cleared and free again.
#[derive(Debug)]
pub struct Reservation {
    load: Load,
}

impl Reservation {
    /// The number of the place, for [`LoadTable::load`] in a worker that has the table by its descriptor.
    pub fn place(&self) -> u32 {
        self.load.place
    }

    /// The place itself, for a worker in this process.
    pub fn load(&self) -> Load {
        self.load.clone()
    }
}

impl AsFd for Reservation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.load.table.as_fd()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Load { table, place } = &self.load;
        self.load.leave();
        table.reserved.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }
}

/// One worker's place in the table.
#[derive(Debug, Clone)]
pub struct Load {
    table: LoadTable,
    place: u32,
}

impl Load {
    /// Notes that the worker accepts, and how many connections it has.
    pub fn set(&self, connections: usize) {
        self.write(u32::try_from(connections).unwrap_or(u32::MAX - 1).saturating_add(1));
    }

    /// Notes that the worker does not accept any more.
    pub fn leave(&self) {
        self.write(ABSENT);
    }

    /// Whether this many connections exceed another worker's by more than a quarter plus three; that worker should
    /// then accept the next.
    pub fn is_ahead(&self, connections: usize) -> bool {
        let loads = (0..).zip(self.table.places());
        let others = loads.filter(|(place, _)| *place != self.place);
        let least = others
            .filter_map(|(_, load)| load.load(Ordering::Relaxed).checked_sub(1))
            .min()
            .map(|load| load as usize);
        least.is_some_and(|least| connections > least + 3 + least / 4)
    }

    fn write(&self, value: u32) {
        if let Some(place) = self.table.places().get(self.place as usize) {
            place.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn a_worker_is_ahead_of_one_that_has_clearly_fewer() {
        let table = LoadTable::new().expect("a table");
        let places = [table.reserve().expect("a place"), table.reserve().expect("a place")];
        let [one, other] = places.each_ref().map(|reserved| reserved.load());
        one.set(0);
        assert!(!one.is_ahead(1000), "nobody else accepts");
        other.set(0);
        assert!(!one.is_ahead(3));
        assert!(one.is_ahead(4));
        other.set(64);
        assert!(!one.is_ahead(83));
        assert!(one.is_ahead(84));
        other.leave();
        assert!(!one.is_ahead(1000));
    }

    #[test]
    fn a_table_is_seen_through_another_mapping_of_its_descriptor() {
        let table = LoadTable::new().expect("a table");
        let (one, other) = (table.reserve().expect("a place"), table.reserve().expect("a place"));
        let again = LoadTable::from_raw_fd(table.as_fd().as_raw_fd()).expect("the same table");
        again.load(other.place()).set(0);
        assert!(one.load().is_ahead(4));
    }

    #[test]
    fn a_place_is_cleared_and_free_again_when_its_worker_has_ended() {
        let table = LoadTable::new().expect("a table");
        let (one, other) = (table.reserve().expect("a place"), table.reserve().expect("a place"));
        other.load().set(0);
        let place = other.place();
        drop(other);
        assert!(!one.load().is_ahead(1000));
        assert_eq!(table.reserve().expect("a place").place(), place);
    }

    #[test]
    fn there_are_a_thousand_places() {
        let table = LoadTable::new().expect("a table");
        let places: Vec<_> = std::iter::from_fn(|| table.reserve()).collect();
        assert_eq!(places.len(), 1023);
    }

    #[test]
    fn nobody_can_change_the_length_of_a_table() {
        let table = LoadTable::new().expect("a table");
        let one = table.reserve().expect("a place");
        let file = File::from(table.as_fd().try_clone_to_owned().expect("a duplicate"));
        let length = file.metadata().expect("it is open").len();
        for other in [0, length - 1, length + 1] {
            let error = file.set_len(other).expect_err("the length is sealed");
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{other}: {error}");
        }
        // This read would end the process with SIGBUS if the file had been truncated.
        assert!(!one.load().is_ahead(1000));
    }

    #[test]
    fn a_descriptor_of_another_kind_is_refused_and_stays_open() {
        let long_enough = tempfile::tempfile().expect("a file");
        let table = LoadTable::new().expect("a table");
        let length = File::from(table.as_fd().try_clone_to_owned().expect("a duplicate"));
        long_enough.set_len(length.metadata().expect("it is open").len()).expect("room");
        for file in [tempfile::tempfile().expect("a file"), long_enough] {
            // Like a descriptor inherited over exec, which `from_raw_fd` would take over if it were a table.
            SockRef::from(&file).set_cloexec(false).expect("any descriptor has the flag");
            let error = LoadTable::from_raw_fd(file.as_raw_fd()).expect_err("it is a file");
            assert!(error.to_string().contains("not shared memory"), "{error}");
            file.metadata().expect("it is still open");
        }
        assert!(LoadTable::from_raw_fd(9999).is_err());
    }

    #[test]
    fn a_worker_without_a_place_can_still_store_its_load() {
        let table = LoadTable::new().expect("a table");
        let one = table.reserve().expect("a place");
        table.load(u32::MAX).set(7);
        assert!(!one.load().is_ahead(1000));
    }
}
