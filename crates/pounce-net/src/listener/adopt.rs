//! Reconstructing a listener from a descriptor: every property is checked before it is used.
//!
//! Taking ownership of a descriptor's number is in `raw_fd`.

use std::os::fd::{OwnedFd, RawFd};

use socket2::{SockRef, Socket, Type};

use super::Listener;
use super::addr::{Family, LocalAddr};
use crate::adopt_error::AdoptError;
use crate::{raw_fd, sys};

impl Listener {
    /// Reconstructs a listener from an owned descriptor and the family it should have.
    ///
    /// The listener becomes nonblocking (for every duplicate of it: the flag belongs to the open socket, not to
    /// the descriptor) and close-on-exec.
    ///
    /// # Errors
    ///
    /// If the descriptor is not a listening stream socket of that family. The descriptor is then closed.
    pub fn from_fd(fd: OwnedFd, family: Family) -> Result<Self, AdoptError> {
        inspect(&SockRef::from(&fd), Some(family))?;
        must_listen(&SockRef::from(&fd))?;
        Self::adopt(fd)
    }

    /// Reconstructs a listener from the number of a descriptor, as another process or a service manager names
    /// it. A `family` of `None` accepts any.
    ///
    /// A descriptor that came over `exec`, recognised by its clear FD_CLOEXEC flag, is taken over: the listener has
    /// another number, and the socket closes with it. One that this process opened itself is duplicated and stays its
    /// owner's, as do the standard streams.
    ///
    /// # Errors
    ///
    /// If nothing is open under the number, or the descriptor is not a listening stream socket of that family. The
    /// descriptor is then left as it was.
    pub fn from_raw_fd(fd: RawFd, family: Option<Family>) -> Result<Self, AdoptError> {
        let owned = raw_fd::adopt(fd, |fd| {
            inspect(&SockRef::from(&fd), family)?;
            must_listen(&SockRef::from(&fd))
        })?;
        Self::adopt(owned)
    }

    /// As [`from_raw_fd`](Self::from_raw_fd), for a socket that [`bind`](crate::bind) made and that may not
    /// [listen](Self::listen) yet.
    ///
    /// # Errors
    ///
    /// Those of `from_raw_fd`, except that the socket need not listen.
    pub fn bound_from_raw_fd(fd: RawFd, family: Family) -> Result<Self, AdoptError> {
        Self::adopt(raw_fd::adopt(fd, |fd| inspect(&SockRef::from(&fd), Some(family)))?)
    }

    fn adopt(fd: OwnedFd) -> Result<Self, AdoptError> {
        let socket = Socket::from(fd);
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        let address = local_addr(&socket)?;
        if let LocalAddr::Tcp(_) = address {
            socket.set_tcp_nodelay(true)?;
        }
        Ok(Self::new(socket, address, None))
    }
}

/// The bound address; a family that this crate does not serve is an error.
pub(crate) fn local_addr(socket: &Socket) -> Result<LocalAddr, AdoptError> {
    LocalAddr::from_sock_addr(&socket.local_addr()?).ok_or(AdoptError::UnsupportedFamily)
}

fn inspect(socket: &Socket, expected: Option<Family>) -> Result<(), AdoptError> {
    let kind = socket.r#type().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTSOCK) => AdoptError::NotASocket,
        _ => AdoptError::Io(error),
    })?;
    if kind != Type::STREAM {
        return Err(AdoptError::NotAStream);
    }
    let found = local_addr(socket)?.family();
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(AdoptError::WrongFamily { expected, found });
    }
    Ok(())
}

fn must_listen(socket: &Socket) -> Result<(), AdoptError> {
    match sys::is_listening(socket)? {
        true => Ok(()),
        false => Err(AdoptError::NotListening),
    }
}
