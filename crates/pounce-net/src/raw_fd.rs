//! Descriptors across `exec`: from a number to an owned descriptor, and on to a child.
//!
//! Does not check the descriptor's kind; the caller passes such checks in.

#![allow(
    unsafe_code,
    reason = "a number from an environment or a command line is not yet an owned descriptor"
)]

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use socket2::{SockRef, Type};

use crate::adopt_error::AdoptError;

/// A descriptor of this process for what is open under the number `fd`, once `inspect` has accepted it. It is
/// close-on-exec.
///
/// A number with FD_CLOEXEC clear came over `exec`, and nothing in this process owns it: it is closed, so that the
/// result is the only descriptor. A number with FD_CLOEXEC set, and those of the standard streams, have an owner in this
/// process and stay open. When `inspect` refuses, the number is left as it was.
pub(crate) fn adopt(
    fd: RawFd,
    inspect: impl FnOnce(BorrowedFd<'_>) -> Result<(), AdoptError>,
) -> Result<OwnedFd, AdoptError> {
    // Two threads must not take the same number for one that nobody owns.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let inherited = answer(fd, libc::F_GETFD, 0)? & libc::FD_CLOEXEC == 0;
    let duplicate = answer(fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1)?;
    // SAFETY: fcntl has just opened this descriptor.
    let duplicate = unsafe { OwnedFd::from_raw_fd(duplicate) };
    inspect(duplicate.as_fd())?;
    if inherited && fd > libc::STDERR_FILENO {
        // SAFETY: the standard library opens every descriptor with FD_CLOEXEC set, and nothing in this crate clears it
        // but in a process that is about to execute another program: no value owns this number.
        unsafe { libc::close(fd) };
    }
    Ok(duplicate)
}

/// What fcntl answers for a number under which nothing may be open.
fn answer(fd: RawFd, command: libc::c_int, argument: libc::c_int) -> Result<libc::c_int, AdoptError> {
    // SAFETY: the commands used here take no pointer, and an invalid number is answered with EBADF.
    let answer = unsafe { libc::fcntl(fd, command, argument) };
    if answer != -1 {
        return Ok(answer);
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::EBADF) => AdoptError::NotOpen { fd },
        _ => AdoptError::Io(error),
    })
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
    inherited(number, Type::STREAM).map(UnixStream::from)
}

/// Takes over a connected Unix socket that keeps the boundaries of messages (SOCK_SEQPACKET), inherited over `exec`.
///
/// # Errors
///
/// The number is not an open descriptor, or not such a socket. The descriptor is then left as it was.
pub fn inherited_packets(number: RawFd) -> io::Result<OwnedFd> {
    inherited(number, Type::SEQPACKET)
}

/// Takes over a connected Unix socket of a type.
fn inherited(number: RawFd, kind: Type) -> io::Result<OwnedFd> {
    let inspect = |fd: BorrowedFd<'_>| {
        let socket = SockRef::from(&fd);
        match socket.peer_addr()?.is_unix() && socket.r#type()? == kind {
            true => Ok(()),
            false => Err(AdoptError::Io(io::ErrorKind::InvalidInput.into())),
        }
    };
    adopt(number, inspect).map_err(io::Error::other)
}
