//! What workers that accept from one socket know of each other: how many connections each of them has.
//!
//! A page of memory that processes and threads share. It decides nothing by itself; see [`Load::is_ahead`].

#![allow(unsafe_code, reason = "memory that processes share is mapped, and read through a pointer")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many workers have a place in the table: those of a page.
const PLACES: usize = 1024;
const BYTES: usize = PLACES * size_of::<AtomicU32>();

/// In the place of a worker that does not accept.
const ABSENT: u32 = 0;

/// A table of the connections that each worker has, shared by processes and threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoadTable {
    mapping: Arc<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    fd: OwnedFd,
    places: NonNull<AtomicU32>,
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
        let places = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { mapping: Arc::new(Mapping { fd, places }) })
    }

    /// The place of one worker. One that has no place in the table is on nobody's mind.
    pub fn place(&self, worker: u32) -> Load {
        Load { table: self.clone(), place: worker as usize }
    }

    /// Notes that a worker does not accept any more, in its stead.
    pub fn clear(&self, worker: u32) {
        self.place(worker).write(ABSENT);
    }

    fn places(&self) -> &[AtomicU32] {
        // SAFETY: the mapping is that long, aligned to a page, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.mapping.places.as_ptr(), PLACES) }
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
        unsafe { libc::munmap(self.places.as_ptr().cast(), BYTES) };
    }
}

/// One worker's place in the table.
#[derive(Debug, Clone)]
pub struct Load {
    table: LoadTable,
    place: usize,
}

impl Load {
    /// Notes that the worker accepts, and how many connections it has.
    pub fn set(&self, connections: usize) {
        self.write(u32::try_from(connections).unwrap_or(u32::MAX - 1).saturating_add(1));
    }

    /// Notes that it does not accept any more.
    pub fn leave(&self) {
        self.write(ABSENT);
    }

    /// Whether a worker with so many connections is so far ahead of another one that the other should have the
    /// next: by more than a quarter and three.
    pub fn is_ahead(&self, connections: usize) -> bool {
        let loads = self.table.places().iter().map(|place| place.load(Ordering::Relaxed));
        let others = loads.enumerate().filter(|(place, load)| *place != self.place && *load != ABSENT);
        let least = others.map(|(_, load)| load as usize - 1).min();
        least.is_some_and(|least| connections > least + 3 + least / 4)
    }

    fn write(&self, value: u32) {
        if let Some(place) = self.table.places().get(self.place) {
            place.store(value, Ordering::Relaxed);
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
