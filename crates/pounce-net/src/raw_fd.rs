//! From a descriptor's number to an owned descriptor: the only unsafe code of this crate.
//!
//! Not the checks of what the descriptor is; the caller passes those in.

#![allow(
    unsafe_code,
    reason = "a number from an environment or a command line is not yet an owned descriptor"
)]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::listener::adopt::AdoptError;

/// Makes the open descriptor `fd` this process's own, once `inspect` has accepted it.
///
/// A descriptor that came over `exec` has FD_CLOEXEC clear, and nothing in this process owns it: it is taken
/// over. One with FD_CLOEXEC set was opened (or already taken over) by this process and has an owner: it is
/// duplicated, and the number stays its owner's. When `inspect` refuses, the number is left as it was.
pub(crate) fn adopt(
    fd: RawFd,
    inspect: impl FnOnce(BorrowedFd<'_>) -> Result<(), AdoptError>,
) -> Result<OwnedFd, AdoptError> {
    // SAFETY: F_GETFD takes no pointer and changes nothing; an invalid number is answered with EBADF.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags == -1 {
        let error = io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EBADF) => AdoptError::NotOpen { fd },
            _ => AdoptError::Io(error),
        });
    }
    // SAFETY: fcntl has just answered for `fd`, so it is open and not -1. It stays open for this borrow: either
    // it came over exec and nothing else knows it, or its owner in this process named it to the caller.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    inspect(borrowed)?;
    if flags & libc::FD_CLOEXEC != 0 {
        return Ok(borrowed.try_clone_to_owned()?);
    }
    // SAFETY: `fd` is open. With FD_CLOEXEC clear it was inherited: the standard library opens every descriptor
    // with the flag set, so none of its types owns this one. Every `Listener` made from it sets the flag, so
    // the same number is not taken twice; the documentation of `Listener::from_raw_fd` names the exception.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
