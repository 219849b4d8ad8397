//! Children that the application forks keep none of the server's descriptors.
//!
//! A forked child inherits every descriptor. While it lives, ports stay taken, and clients do not notice that the server
//! has closed their connection. So the child replaces the server's descriptors: those that are
//! [`disowned`](super::disowned), and everything that one of the server's runtimes watches. It replaces each by
//! `/dev/null` and closes none: Rust values in the child still own the number, and close it if they are dropped.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use nix::libc;
use nix::sys::stat::fstat;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::LocalRuntime;

use super::disowned::{is_disowned, keep_key, stat};
use super::signals;

/// Descriptors registered by number, such as the epoll descriptors of the server's runtimes (two each); 0 is a free
/// place.
static NUMBERS: [AtomicI32; 1024] = [const { AtomicI32::new(0) }; 1024];

/// Whether the server itself forks: the child is a worker, and keeps everything.
static FORKS_WORKER: AtomicBool = AtomicBool::new(false);

/// Whether this process is a forked child.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Registers the descriptors that `open` opens for the whole life of the process.
pub fn disown_opened_by<T>(open: impl FnOnce() -> T) -> T {
    let is_open = |fd: &RawFd| stat(*fd).is_some();
    let before: Vec<_> = open_descriptors().into_iter().filter(is_open).collect();
    let opened = open();
    for fd in open_descriptors().into_iter().filter(is_open).filter(|fd| !before.contains(fd)) {
        keep_number(fd);
    }
    opened
}

fn keep_number(fd: RawFd) -> Option<&'static AtomicI32> {
    let take =
        |place: &&AtomicI32| place.compare_exchange(0, fd, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    NUMBERS.iter().find(take)
}

thread_local! {
    /// The descriptors that the runtimes watch when this thread begins to fork. The child shares their epoll instances
    /// with its parent, which may change them before the child reads them.
    static BEFORE: RefCell<Vec<(RawFd, u64)>> = const { RefCell::new(Vec::new()) };

    /// The places of the sockets that wake this thread's asyncio loop.
    static LOOP: RefCell<Vec<&'static AtomicU64>> = const { RefCell::new(Vec::new()) };
}

/// Registers callbacks for forks with Python, once. In the main interpreter: no other can fork.
pub(super) fn register(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if REGISTERED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let before = PyCFunction::new_closure(py, Some(c"before_fork"), None, |_, _| {
        if !FORKS_WORKER.load(Ordering::Relaxed) {
            BEFORE.set(watched());
        }
    })?;
    let in_child = PyCFunction::new_closure(py, Some(c"in_child"), None, |_, _| {
        if FORKS_WORKER.load(Ordering::Relaxed) {
            return;
        }
        IS_CHILD.store(true, Ordering::Relaxed);
        signals::leave_to_child();
        let_go();
    })?;
    let keywords = PyDict::new(py);
    keywords.set_item("before", before)?;
    keywords.set_item("after_in_child", in_child)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

/// Forks a process that is to become a worker: Python's own callbacks for forks run, those of the server do not. Returns 0
/// in the child.
pub(super) fn fork_worker(py: Python<'_>) -> PyResult<i32> {
    FORKS_WORKER.store(true, Ordering::Relaxed);
    let forked = py.import("os").and_then(|os| os.call_method0("fork")).and_then(|process| process.extract());
    FORKS_WORKER.store(false, Ordering::Relaxed);
    forked
}

/// While this lives, forked children replace the descriptors watched by a runtime, and those of its asyncio loop.
pub(super) struct Watched {
    places: Vec<&'static AtomicI32>,
}

impl Watched {
    /// Finds the epoll instance of a new runtime, which tokio does not expose.
    pub(super) fn by(runtime: &LocalRuntime) -> Self {
        Self { places: find_epoll(runtime).unwrap_or_default().into_iter().filter_map(keep_number).collect() }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.places.iter().for_each(|place| place.store(0, Ordering::Relaxed));
        LOOP.take().into_iter().for_each(|place| place.store(0, Ordering::Relaxed));
    }
}

/// Registers the sockets that wake an asyncio loop of the server, and so its selector, which watches them.
pub(super) fn disown_loop(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    for name in ["_ssock", "_csock"] {
        let fd: RawFd = event_loop.getattr(name)?.call_method0("fileno")?.extract()?;
        // SAFETY: the socket is the loop's, which is alive.
        let place = keep_key(unsafe { BorrowedFd::borrow_raw(fd) });
        LOOP.with_borrow_mut(|places| places.extend(place));
    }
    Ok(())
}

/// Ends a forked child that returns to the server's loop: that loop runs in its parent.
pub(super) fn leave_if_child() {
    if IS_CHILD.load(Ordering::Relaxed) {
        let message = "error: a process that the application forked returned to the server's loop; it ends\n";
        let _ = nix::unistd::write(io::stderr(), message.as_bytes());
        // SAFETY: ends the process at once, without cleaning up for the parent.
        unsafe { libc::_exit(1) };
    }
}

/// The descriptors of a runtime's epoll instance, found by making the runtime watch a pipe and looking for it.
fn find_epoll(runtime: &LocalRuntime) -> io::Result<Vec<RawFd>> {
    let (reader, _writer) = io::pipe()?;
    let probe = (reader.as_raw_fd(), fstat(&reader)?.st_ino);
    let _inside = runtime.enter();
    // SAFETY: the `AsyncFd` owns the descriptor, which stays open and is never replaced.
    let _watched = unsafe { AsyncFd::register_with_interest(reader, Interest::READABLE)? };
    Ok(open_descriptors().into_iter().filter(|fd| targets(*fd).contains(&probe)).collect())
}

/// Replaces the server's descriptors with `/dev/null`.
fn let_go() {
    let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    for (fd, inode) in BEFORE.take().into_iter().chain(watched()) {
        // A number with another inode was closed and reopened: it now belongs to the application.
        if stat(fd).is_some_and(|stat| stat.st_ino == inode) {
            exchange(fd, null.as_fd());
        }
    }
    for place in &NUMBERS {
        match place.swap(0, Ordering::Relaxed) {
            0 => {}
            fd => exchange(fd, null.as_fd()),
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

/// Descriptors that the server's runtimes watch, with the inode of each.
fn watched() -> Vec<(RawFd, u64)> {
    let numbers = NUMBERS.iter().map(|place| place.load(Ordering::Relaxed)).filter(|fd| *fd != 0);
    numbers.flat_map(targets).collect()
}

/// Descriptors that an epoll instance watches, with the inode of each; none for any other descriptor.
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

/// Numbers of open descriptors, including the listing's own, which is already closed.
fn open_descriptors() -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn exchange(fd: RawFd, null: BorrowedFd<'_>) {
    // SAFETY: the descriptor stays open, as its owner expects, and belongs to the server, which does not run in the
    // child. The child has no other thread.
    unsafe { libc::dup3(null.as_raw_fd(), fd, libc::O_CLOEXEC) };
}
