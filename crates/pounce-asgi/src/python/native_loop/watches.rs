//! The descriptors that are watched, and the handles for each.

use std::io;
use std::os::fd::RawFd;

use pyo3::ffi;

use super::poller::{Interest, Poller};

/// A direction of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// The handles of one descriptor; null where there is none.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    pub(super) reader: *mut ffi::PyObject,
    pub(super) writer: *mut ffi::PyObject,
}

impl Watch {
    const NONE: Self = Self { reader: std::ptr::null_mut(), writer: std::ptr::null_mut() };

    fn interest(&self) -> Interest {
        Interest { read: !self.reader.is_null(), write: !self.writer.is_null() }
    }

    fn slot(&mut self, direction: Direction) -> &mut *mut ffi::PyObject {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }
}

/// By number of descriptor.
#[derive(Default)]
pub(super) struct Watches {
    list: Vec<Watch>,
    count: usize,
    /// The descriptor of the wake-ups for signals.
    signals: Option<RawFd>,
}

impl Watches {
    /// Whether nothing but signals is watched. These interrupt the loop anyway, unless it waits.
    pub(super) fn is_empty(&self) -> bool {
        let signals = self.signals.is_some_and(|fd| self.get(fd).interest() != Interest::default());
        self.count == usize::from(signals)
    }

    /// Says which descriptor is that of the wake-ups for signals.
    pub(super) fn set_signals(&mut self, fd: RawFd) {
        self.signals = Some(fd);
    }

    pub(super) fn get(&self, fd: RawFd) -> Watch {
        usize::try_from(fd).ok().and_then(|at| self.list.get(at)).copied().unwrap_or(Watch::NONE)
    }

    /// Has `handle`, whose reference is taken over, called when the descriptor is ready. The handle in its place until now, whose
    /// reference the caller gets, or null.
    ///
    /// # Errors
    /// Those of epoll_ctl(2); nothing has changed then, and the caller still owns the reference.
    pub(super) fn set(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        direction: Direction,
        handle: *mut ffi::PyObject,
    ) -> io::Result<*mut ffi::PyObject> {
        let at = usize::try_from(fd).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut watch = self.get(fd);
        let before = watch.interest();
        let replaced = std::mem::replace(watch.slot(direction), handle);
        let after = watch.interest();
        if before == Interest::default() {
            poller.add(fd, after)?;
            self.count += 1;
        } else {
            // Also where nothing changes: the descriptor may have been closed, and its number be another's by now.
            match poller.modify(fd, after) {
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => poller.add(fd, after)?,
                modified => modified?,
            }
        }
        if at >= self.list.len() {
            self.list.resize(at + 1, Watch::NONE);
        }
        self.list[at] = watch;
        Ok(replaced)
    }

    /// Watches the descriptor for this no longer. The handle, whose reference the caller gets, or null.
    pub(super) fn unset(&mut self, poller: &Poller, fd: RawFd, direction: Direction) -> *mut ffi::PyObject {
        let mut watch = self.get(fd);
        let removed = std::mem::replace(watch.slot(direction), std::ptr::null_mut());
        if removed.is_null() {
            return removed;
        }
        self.list[fd as usize] = watch;
        // The descriptor may have been closed, which has ended the watch as well.
        let _ = match watch.interest() {
            rest if rest == Interest::default() => {
                self.count -= 1;
                poller.remove(fd)
            }
            rest => poller.modify(fd, rest),
        };
        removed
    }

    /// All handles, given up.
    pub(super) fn take(&mut self) -> impl Iterator<Item = *mut ffi::PyObject> + use<> {
        self.count = 0;
        let all = std::mem::take(&mut self.list).into_iter();
        all.flat_map(|watch| [watch.reader, watch.writer]).filter(|handle| !handle.is_null())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = *mut ffi::PyObject> {
        self.list.iter().flat_map(|watch| [watch.reader, watch.writer]).filter(|handle| !handle.is_null())
    }

    /// The descriptors that are watched.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let watched = |watch: &Watch| watch.interest() != Interest::default();
        self.list.iter().enumerate().filter(move |(_, watch)| watched(watch)).map(|(fd, _)| fd as RawFd)
    }
}
