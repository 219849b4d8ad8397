//! The registry of the server's descriptors, which children that the application forks must let go of.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::libc;
use nix::sys::stat::{FileStat, fstat};

/// A key of each file registered with [`disown`]; 0 is a free place. When none is free, one is overwritten. There is no
/// lock, because the thread that holds it would not exist in the child.
static DISOWNED: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Registers a socket, a pipe or shared memory of the server: forked children replace every descriptor of it.
pub fn disown(fd: BorrowedFd<'_>) {
    keep_key(fd);
}

/// Adds a file's key and returns its place; none if the key is already present.
pub(super) fn keep_key(fd: BorrowedFd<'_>) -> Option<&'static AtomicU64> {
    let key = key(&fstat(fd).ok()?);
    if DISOWNED.iter().any(|known| known.load(Ordering::Relaxed) == key) {
        return None;
    }
    let take =
        |place: &&AtomicU64| place.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    DISOWNED.iter().find(take).or_else(|| {
        let place = &DISOWNED[NEXT.fetch_add(1, Ordering::Relaxed) % DISOWNED.len()];
        place.store(key, Ordering::Relaxed);
        Some(place)
    })
}

/// Whether a descriptor belongs to a registered file.
pub(super) fn is_disowned(fd: RawFd) -> bool {
    let key = stat(fd).map(|stat| key(&stat));
    key.is_some_and(|key| DISOWNED.iter().any(|known| known.load(Ordering::Relaxed) == key))
}

pub(super) fn stat(fd: RawFd) -> Option<FileStat> {
    // SAFETY: plain numbers, which fstat fills in; it returns an error for a number that is not open.
    unsafe {
        let mut stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut stat) == 0).then_some(stat)
    }
}

/// Tells open sockets, pipes and files apart. Their file systems count inodes in 32 bits.
fn key(stat: &FileStat) -> u64 {
    stat.st_ino ^ stat.st_dev.rotate_left(40)
}
