//! Children that the application forks: nothing of the server's is left to them.
//!
//! A forked child has the parent's descriptors. While it lives, ports stay taken, and clients whose connection the
//! server closes do not learn of it. So the child lets go of those that are the server's: what was named with
//! [`disown`], and everything that a runtime of the server's watches. Each number is made to lead to `/dev/null` instead
//! of being closed: Rust values in the child still own it, and close it if they are ever dropped.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use nix::libc;
use nix::sys::stat::{FileStat, fstat};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::LocalRuntime;

use super::signals;

/// What is named with [`disown`]: a key of each open file. The oldest is forgotten when it is full. No lock: a thread
/// that holds one does not exist in the child.
static DISOWNED: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The epoll descriptors of the server's runtimes, two of each; 0 is a free place.
static RUNTIMES: [AtomicI32; 1024] = [const { AtomicI32::new(0) }; 1024];

/// Whether this process is a child that was forked off.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Has children that the application forks let go of a socket, a pipe or a shared memory, by whichever descriptors
/// they have it.
pub fn disown(fd: BorrowedFd<'_>) {
    let Ok(stat) = fstat(fd) else { return };
    let key = key(&stat);
    if DISOWNED.iter().any(|known| known.load(Ordering::Relaxed) == key) {
        return;
    }
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % DISOWNED.len();
    DISOWNED[place].store(key, Ordering::Relaxed);
}

thread_local! {
    /// What the runtimes watch as this thread begins to fork. The child shares their epoll instances with its parent,
    /// which goes on to change them.
    static BEFORE: RefCell<Vec<(RawFd, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Has Python tell of forks. In the main interpreter, the only one that can fork; once.
pub(super) fn register(py: Python<'_>) -> PyResult<()> {
    let before = PyCFunction::new_closure(py, Some(c"before_fork"), None, |_, _| {
        BEFORE.set(watched());
    })?;
    let in_child = PyCFunction::new_closure(py, Some(c"in_child"), None, |_, _| {
        IS_CHILD.store(true, Ordering::Relaxed);
        signals::leave_to_child();
        let_go();
    })?;
    let keywords = PyDict::new(py);
    keywords.set_item("before", before)?;
    keywords.set_item("after_in_child", in_child)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

/// What a runtime watches is let go of in children, for as long as this lives.
pub(super) struct Watched {
    places: Vec<&'static AtomicI32>,
}

impl Watched {
    /// Finds the epoll instance of a new runtime, which tokio does not tell.
    pub(super) fn by(runtime: &LocalRuntime) -> Self {
        let free = |epoll: RawFd| {
            let take = |place: &&AtomicI32| {
                place.compare_exchange(0, epoll, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            };
            RUNTIMES.iter().find(take)
        };
        Self { places: find_epoll(runtime).unwrap_or_default().into_iter().filter_map(free).collect() }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.places.iter().for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

/// Has children let go of what wakes an asyncio loop of the server's, and of its selector, which watches that.
pub(super) fn disown_loop(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    for name in ["_ssock", "_csock"] {
        let fd: RawFd = event_loop.getattr(name)?.call_method0("fileno")?.extract()?;
        // SAFETY: the socket is the loop's, which is alive.
        disown(unsafe { BorrowedFd::borrow_raw(fd) });
    }
    Ok(())
}

/// Ends a child that comes back to the server's loop, which runs in its parent.
pub(super) fn leave_if_child() {
    if IS_CHILD.load(Ordering::Relaxed) {
        let message =
            "error: a process that the application forked came back to the server's loop; it ends\n";
        let _ = io::stderr().write_all(message.as_bytes());
        // SAFETY: ends the process at once; nothing of the parent's is cleaned up here.
        unsafe { libc::_exit(1) };
    }
}

/// The descriptors of the epoll instance that watches a pipe which this function has the runtime watch.
fn find_epoll(runtime: &LocalRuntime) -> io::Result<Vec<RawFd>> {
    let (reader, _writer) = io::pipe()?;
    let probe = (reader.as_raw_fd(), fstat(&reader)?.st_ino);
    let _inside = runtime.enter();
    // SAFETY: the descriptor is the `AsyncFd`'s own, stays open and is never exchanged for another.
    let _watched = unsafe { AsyncFd::register_with_interest(reader, Interest::READABLE)? };
    Ok(open_descriptors().into_iter().filter(|fd| targets(*fd).contains(&probe)).collect())
}

/// Exchanges the server's descriptors for ones of `/dev/null`.
fn let_go() {
    let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    for (fd, inode) in BEFORE.take().into_iter().chain(watched()) {
        // A number that now leads to something else was closed meanwhile, and is somebody else's.
        if stat(fd).is_some_and(|stat| stat.st_ino == inode) {
            exchange(fd, null.as_fd());
        }
    }
    for place in &RUNTIMES {
        match place.swap(0, Ordering::Relaxed) {
            0 => {}
            epoll => exchange(epoll, null.as_fd()),
        }
    }
    let open = open_descriptors();
    for &fd in &open {
        if targets(fd).into_iter().any(|(watched, _)| is_disowned(watched)) {
            exchange(fd, null.as_fd());
        }
    }
    for fd in open {
        if is_disowned(fd) {
            exchange(fd, null.as_fd());
        }
    }
}

/// What the server's runtimes watch.
fn watched() -> Vec<(RawFd, u64)> {
    let epolls = RUNTIMES.iter().map(|place| place.load(Ordering::Relaxed)).filter(|epoll| *epoll != 0);
    epolls.flat_map(targets).collect()
}

fn is_disowned(fd: RawFd) -> bool {
    let key = stat(fd).map(|stat| key(&stat));
    key.is_some_and(|key| DISOWNED.iter().any(|known| known.load(Ordering::Relaxed) == key))
}

/// What an epoll instance watches: descriptors, with the inode of each. Of anything else, nothing.
fn targets(epoll: RawFd) -> Vec<(RawFd, u64)> {
    let link = fs::read_link(format!("/proc/self/fd/{epoll}"));
    if !link.is_ok_and(|link| link == Path::new("anon_inode:[eventpoll]")) {
        return Vec::new();
    }
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{epoll}")).unwrap_or_default();
    let target = |line: &str| {
        let fd = line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok()?;
        let inode = line.split_whitespace().find_map(|word| word.strip_prefix("ino:"))?;
        Some((fd, u64::from_str_radix(inode, 16).ok()?))
    };
    text.lines().filter_map(target).collect()
}

fn open_descriptors() -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn stat(fd: RawFd) -> Option<FileStat> {
    // SAFETY: plain numbers, which fstat fills in; a number that is not open is answered with an error.
    unsafe {
        let mut stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut stat) == 0).then_some(stat)
    }
}

/// Tells open sockets, pipes and files apart. Their file systems count inodes in 32 bits.
fn key(stat: &FileStat) -> u64 {
    stat.st_ino ^ stat.st_dev.rotate_left(40)
}

fn exchange(fd: RawFd, null: BorrowedFd<'_>) {
    // SAFETY: the descriptor stays open, as its owner expects, and is the server's: nobody else counts on what it
    // leads to. The child has no other thread.
    unsafe { libc::dup3(null.as_raw_fd(), fd, libc::O_CLOEXEC) };
}
