//! Waiting for descriptors and for other threads: epoll(7) and an eventfd(2).

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use nix::libc;

/// The most events of one wait.
const MOST: usize = 256;

/// The eventfd's events have this number, which no descriptor has.
const WAKE: u64 = u64::MAX;

/// What a descriptor is watched for, or ready for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Interest {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Interest {
    fn bits(self) -> u32 {
        let read = if self.read { libc::EPOLLIN as u32 } else { 0 };
        read | if self.write { libc::EPOLLOUT as u32 } else { 0 }
    }
}

/// An epoll instance.
pub(super) struct Poller {
    epoll: OwnedFd,
    /// None once a runtime wakes the loop instead.
    wake: Option<OwnedFd>,
    events: RefCell<Vec<libc::epoll_event>>,
    /// The kernel has no epoll_pwait2(2), whose timeouts are exact.
    is_coarse: Cell<bool>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: the calls return new descriptors or an error.
        let (epoll, wake) = unsafe {
            let epoll = OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?);
            let wake = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
            (epoll, OwnedFd::from_raw_fd(wake))
        };
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: WAKE };
        let fd = wake.as_raw_fd();
        let poller =
            Self { epoll, wake: Some(wake), events: RefCell::default(), is_coarse: Cell::new(false) };
        poller.control(libc::EPOLL_CTL_ADD, fd, Some(&mut event))?;
        Ok(poller)
    }

    /// The descriptor, which is readable while an event is pending.
    pub(super) fn descriptor(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// The descriptor that [`wake`] writes to.
    pub(super) fn waker(&self) -> Option<BorrowedFd<'_>> {
        self.wake.as_ref().map(|wake| wake.as_fd())
    }

    /// Closes the descriptor that [`wake`] writes to.
    pub(super) fn close_waker(&mut self) {
        // What closes a descriptor ends its watch as well.
        self.wake = None;
    }

    /// Watches a descriptor from now on.
    pub(super) fn add(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, Some(&mut event(fd, interest)))
    }

    pub(super) fn modify(&self, fd: RawFd, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, Some(&mut event(fd, interest)))
    }

    pub(super) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, None)
    }

    fn control(&self, operation: i32, fd: RawFd, event: Option<&mut libc::epoll_event>) -> io::Result<()> {
        let event = event.map_or(std::ptr::null_mut(), |event| event as *mut _);
        // SAFETY: the event is valid or, for DEL, null.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, event) }).map(drop)
    }

    /// Waits until a descriptor is ready, [`wake`] is called, or the time is over. `None` waits for as long as it takes.
    ///
    /// # Errors
    /// Those of epoll_wait(2), a signal among them ([`io::ErrorKind::Interrupted`]).
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        events.clear();
        events.reserve(MOST);
        let count = self.wait_for(&mut events, timeout)?;
        // SAFETY: the kernel has written so many.
        unsafe { events.set_len(count) };
        Ok(())
    }

    fn wait_for(&self, events: &mut Vec<libc::epoll_event>, timeout: Option<Duration>) -> io::Result<usize> {
        let (epoll, events) = (self.epoll.as_raw_fd(), events.as_mut_ptr());
        let is_exact = timeout.is_some_and(|timeout| !timeout.is_zero()) && !self.is_coarse.get();
        if let (true, Some(timeout)) = (is_exact, timeout) {
            let time = libc::timespec {
                tv_sec: timeout.as_secs() as libc::time_t,
                tv_nsec: timeout.subsec_nanos().into(),
            };
            // By number: the C library may be older than the kernel.
            // SAFETY: there is room for so many events, and no signal mask.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    events,
                    MOST as i32,
                    &raw const time,
                    0usize,
                    0usize,
                )
            };
            match check(count as i32) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.is_coarse.set(true);
                }
                result => return result.map(|count| count as usize),
            }
        }
        // Rounded up, so that no timer is early.
        let millis = timeout
            .map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        // SAFETY: there is room for so many events.
        let count = check(unsafe { libc::epoll_wait(epoll, events, MOST as i32, millis) })?;
        Ok(count as usize)
    }

    /// How many events the last wait has found.
    pub(super) fn count(&self) -> usize {
        self.events.borrow().len()
    }

    /// One of the events: a descriptor and what it is ready for. `None` where another thread has woken the loop.
    pub(super) fn event(&self, at: usize) -> Option<(RawFd, Interest)> {
        let libc::epoll_event { events, u64: number } = self.events.borrow()[at];
        if number == WAKE {
            self.drain();
            return None;
        }
        // As asyncio's selector has it: whatever is not only the one is the other as well.
        let (input, output) = (libc::EPOLLIN as u32, libc::EPOLLOUT as u32);
        Some((number as RawFd, Interest { read: events & !output != 0, write: events & !input != 0 }))
    }

    /// Forgets the calls of [`wake`].
    fn drain(&self) {
        let mut count = [0_u8; 8];
        let Some(wake) = &self.wake else { return };
        // SAFETY: the buffer has the eight bytes that an eventfd gives. It does not wait; there is nothing to do about an error.
        unsafe { libc::read(wake.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

/// Ends a wait of a poller, from any thread.
pub(super) fn wake(waker: BorrowedFd<'_>) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the buffer has eight bytes. A full counter is readable, which is all that is needed.
    unsafe { libc::write(waker.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

fn event(fd: RawFd, interest: Interest) -> libc::epoll_event {
    libc::epoll_event { events: interest.bits(), u64: fd as u64 }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
