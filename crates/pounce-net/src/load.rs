//! What workers that accept from one socket know of each other: how many connections each of them has.
//!
//! A page of memory that processes and threads share. It decides nothing by itself; see [`Load::is_ahead`].

#![allow(unsafe_code, reason = "memory that processes share is mapped, and read through a pointer")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many numbers fit in: those of a page. The first counts the holders that there have been, the second is how many
/// places are in use at most; each of the others is the place of a worker, with the number of its holder in the upper
/// half and its connections in the lower one.
const NUMBERS: usize = 512;
const BYTES: usize = NUMBERS * size_of::<AtomicU64>();

/// In the place of a worker that does not accept.
const ABSENT: u64 = 0;

/// The lower half of a number.
const LOWER: u64 = u32::MAX as u64;

/// A table of the connections that each worker has, shared by processes and threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoadTable {
    mapping: Arc<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    fd: OwnedFd,
    numbers: NonNull<AtomicU64>,
}

// SAFETY: what the pointer leads to is atomic, and stays mapped until the last clone is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl LoadTable {
    /// An empty table.
    ///
    /// # Errors
    ///
    /// There is no memory, or the system has no `memfd_create(2)`.
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        // SAFETY: the name is a C string; a new descriptor or -1 comes back.
        let fd = unsafe { libc::memfd_create(c"pounce-load".as_ptr(), libc::MFD_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor has just been made, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: no pointer is passed.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), BYTES as libc::off_t) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Self::map(fd)
    }

    /// Elsewhere workers know nothing of each other.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The table behind a descriptor that [`as_fd`](AsFd::as_fd) gave, in this process or in one that inherited it.
    ///
    /// # Errors
    ///
    /// It is no such descriptor.
    pub fn from_raw_fd(fd: i32) -> io::Result<Self> {
        let fd = crate::raw_fd::adopt(fd, |_| Ok(())).map_err(io::Error::other)?;
        // SAFETY: no pointer is passed, and the descriptor is ours.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Self::map(fd)
    }

    fn map(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the structure is plain numbers, and fstat fills it in.
        let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
        // SAFETY: the structure is valid for the call.
        if unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) } == -1 {
            return Err(io::Error::last_os_error());
        }
        if stat.st_size != BYTES as libc::off_t {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a load table"));
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping wherever there is room, over a file that is as long and that nobody shortens:
        // only holders of the descriptor could.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), BYTES, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let numbers = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { mapping: Arc::new(Mapping { fd, numbers }) })
    }

    /// The place of one worker, for whoever holds it from now on. One that has no place in the table is on nobody's
    /// mind.
    pub fn place(&self, worker: u32) -> Load {
        let [holders, used, ..] = self.numbers();
        let holder = holders.fetch_add(1, Ordering::Relaxed) + 1;
        used.fetch_max(u64::from(worker) + 1, Ordering::Relaxed);
        Load { table: self.clone(), worker: worker as usize, holder }
    }

    /// Notes that a worker does not accept any more, in its stead.
    pub fn clear(&self, worker: u32) {
        if let Some(place) = self.places().get(worker as usize) {
            place.store(ABSENT, Ordering::Relaxed);
        }
    }

    fn numbers(&self) -> &[AtomicU64; NUMBERS] {
        // SAFETY: the mapping is that long, aligned to a page, and lives as long as `self`.
        unsafe { self.mapping.numbers.cast().as_ref() }
    }

    /// The places, of which those behind the ones in use may be left out.
    fn places(&self) -> &[AtomicU64] {
        let [_, used, places @ ..] = self.numbers();
        let used = usize::try_from(used.load(Ordering::Relaxed)).unwrap_or(NUMBERS);
        &places[..used.min(places.len())]
    }
}

impl AsFd for LoadTable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd.as_fd()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody refers to it any more.
        unsafe { libc::munmap(self.numbers.as_ptr().cast(), BYTES) };
    }
}

/// One worker's place in the table. Of two that hold the same one, as the successor of a worker does for as long as
/// that one is there, the later counts.
#[derive(Debug, Clone)]
pub struct Load {
    table: LoadTable,
    worker: usize,
    holder: u64,
}

impl Load {
    /// Notes that the worker accepts, and how many connections it has.
    pub fn set(&self, connections: usize) {
        let connections = u64::try_from(connections).unwrap_or(u64::MAX).min(LOWER);
        self.update(|there| (there >> 32 <= self.holder).then_some(self.holder << 32 | connections));
    }

    /// Notes that it does not accept any more.
    pub fn leave(&self) {
        self.update(|there| (there >> 32 == self.holder).then_some(ABSENT));
    }

    /// Whether a worker with so many connections is so far ahead of another one that the other should have the
    /// next: by more than a quarter and three.
    pub fn is_ahead(&self, connections: usize) -> bool {
        let loads = self.table.places().iter().map(|place| place.load(Ordering::Relaxed));
        let others = loads.enumerate().filter(|(worker, load)| *worker != self.worker && *load != ABSENT);
        let least = others.map(|(_, load)| (load & LOWER) as usize).min();
        least.is_some_and(|least| connections > least + 3 + least / 4)
    }

    fn update(&self, update: impl Fn(u64) -> Option<u64>) {
        if let Some(place) = self.table.places().get(self.worker) {
            // What is there stays where `update` has nothing to say.
            let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ahead_of_one_that_has_clearly_fewer() {
        let table = LoadTable::new().expect("a table");
        let (one, other) = (table.place(0), table.place(1));
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
    fn a_worker_that_leaves_does_not_take_its_successor_along() {
        let table = LoadTable::new().expect("a table");
        let (other, old) = (table.place(0), table.place(1));
        old.set(50);
        let new = table.place(1);
        new.set(0);
        assert!(other.is_ahead(4));
        old.set(51);
        old.leave();
        assert!(other.is_ahead(4));
        new.leave();
        assert!(!other.is_ahead(1000));
    }

    #[test]
    fn a_table_is_seen_through_another_mapping_of_its_descriptor() {
        let table = LoadTable::new().expect("a table");
        let again = LoadTable::from_raw_fd(table.as_fd().as_raw_fd()).expect("the same table");
        again.place(3).set(0);
        assert!(table.place(0).is_ahead(4));
        table.clear(3);
        assert!(!again.place(0).is_ahead(4));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let file = tempfile::tempfile().expect("a file");
        assert!(LoadTable::from_raw_fd(file.as_raw_fd()).is_err());
        assert!(LoadTable::from_raw_fd(9999).is_err());
    }

    #[test]
    fn a_worker_without_a_place_is_no_fault() {
        let table = LoadTable::new().expect("a table");
        table.place(u32::MAX).set(7);
        assert!(!table.place(0).is_ahead(1000));
    }
}
