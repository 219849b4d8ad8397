//! Descriptors across `exec`: from a number to an owned descriptor, and on to a child.
//!
//! Does not check the descriptor's kind; the caller passes such checks in.

#![allow(
    unsafe_code,
    reason = "a number from an environment or a command line is not yet an owned descriptor"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use socket2::{SockRef, Socket, Type};

use crate::adopt_error::AdoptError;

/// Makes the open descriptor `fd` this process's own, once `inspect` has accepted it.
///
/// A descriptor inherited over `exec` has FD_CLOEXEC clear, and nothing in this process owns it: it is taken
/// over. A descriptor with FD_CLOEXEC set was opened (or already taken over) by this process and has an owner: it is
/// duplicated, and the original stays with its owner. When `inspect` refuses, the descriptor is left as it was.
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
    // SAFETY: fcntl has just succeeded for `fd`, so it is open and not -1. It stays open for this borrow: either
    // it was inherited over exec and has no owner, or its owner in this process named it to the caller.
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

/// Makes a program that is about to start inherit open descriptors, under the numbers they have here. No other
/// program that this process starts inherits them.
pub fn inherit(program: &mut Command, descriptors: &[BorrowedFd<'_>]) {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let clear = move || {
        for &number in &numbers {
            // SAFETY: F_SETFD takes no pointer. fcntl is async-signal-safe and so may be called between fork and
            // exec; nothing is allocated here.
            if unsafe { libc::fcntl(number, libc::F_SETFD, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure runs in the child between fork and exec, and only calls functions that are allowed there.
    unsafe { program.pre_exec(clear) };
}

/// Takes over a connected Unix stream socket inherited over `exec`.
///
/// # Errors
///
/// The number is not an open descriptor, or not such a socket. The descriptor is then left as it was.
pub fn inherited_stream(number: RawFd) -> io::Result<UnixStream> {
    let inspect = |fd: BorrowedFd<'_>| {
        let socket = SockRef::from(&fd);
        match socket.peer_addr()?.is_unix() && socket.r#type()? == Type::STREAM {
            true => Ok(()),
            false => Err(AdoptError::Io(io::ErrorKind::InvalidInput.into())),
        }
    };
    let socket = Socket::from(adopt(number, inspect).map_err(io::Error::other)?);
    socket.set_cloexec(true)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}
