//! A listening socket: its address, duplicating it, passing it on.
//!
//! Not binding (see `bind`).

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;

use socket2::Socket;

pub use accept::Accepted;
use addr::{Family, LocalAddr};
use socket_file::SocketFile;

use crate::{BindError, sys};

mod accept;
pub(crate) mod addr;
pub(crate) mod adopt;
pub(crate) mod socket_file;

/// A stream socket that listens, or is bound and will [listen](Self::listen) later: nonblocking, close-on-exec, and
/// closed when dropped.
///
/// Made by [`bind`](crate::bind), [`bind_set`](crate::bind_set), [`Listener::from_fd`] or
/// [`Listener::from_raw_fd`]. On Linux the sockets accepted from a TCP listener have TCP_NODELAY set, because
/// they inherit it.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: LocalAddr,
    /// The file of a Unix socket, if this value created it.
    file: Option<SocketFile>,
}

/// The standard library's listener, still nonblocking.
#[derive(Debug)]
pub enum StdListener {
    /// IPv4 or IPv6.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

impl Listener {
    pub(crate) fn new(socket: Socket, address: LocalAddr, file: Option<SocketFile>) -> Self {
        Self { socket, address, file }
    }

    /// The address that the listener is bound to, with the port that the kernel picked for port 0.
    pub fn local_addr(&self) -> &LocalAddr {
        &self.address
    }

    /// The address family; a dual-stack listener is [`Family::Inet6`].
    pub fn family(&self) -> Family {
        self.address.family()
    }

    /// Another descriptor for the same socket: both accept from one queue, which lasts until both are closed. The
    /// duplicate is close-on-exec; only the original unlinks the file of a Unix socket.
    ///
    /// # Errors
    ///
    /// Those of `fcntl(2)` F_DUPFD_CLOEXEC: too many open descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.socket.try_clone()?, self.address.clone(), None))
    }

    /// Makes the kernel queue connections from now on. A socket that listens already keeps its backlog, which
    /// may be the choice of the process that handed it over.
    ///
    /// # Errors
    ///
    /// Another socket listens at the address; see [`bind`](crate::bind).
    pub fn listen(&self, backlog: u32) -> Result<(), BindError> {
        let listen = || {
            if sys::CAN_ASK_FOR_LISTENING && sys::is_listening(&self.socket)? {
                return Ok(());
            }
            if let LocalAddr::Tcp(_) = self.address {
                // Accepted connections inherit this, so another server can bind while they linger in TIME_WAIT.
                self.socket.set_reuse_address(true)?;
            }
            listen(&self.socket, backlog)
        };
        listen().map_err(|error| BindError::from_io(self.address.clone(), error))
    }

    /// Removes the file of a Unix socket if this listener created it and the path still leads to it; returns whether
    /// it did. Call it before the listener is dropped: as long as the socket is open the inode cannot be reused, so
    /// another server's file is never mistaken for it.
    ///
    /// Dropping a listener removes nothing, because a duplicate or another process may still accept.
    ///
    /// # Errors
    ///
    /// Those of `unlink(2)`, except that a file already gone is no error.
    pub fn unlink(&self) -> io::Result<bool> {
        self.file.as_ref().map_or(Ok(false), SocketFile::remove)
    }

    /// Whether it has made the file of its Unix socket.
    pub fn owns_file(&self) -> bool {
        self.file.is_some()
    }

    /// As [`unlink`](Self::unlink), for a caller that holds the directory's lock.
    pub(crate) fn remove_file_locked(&self) -> io::Result<bool> {
        self.file.as_ref().map_or(Ok(false), SocketFile::remove_locked)
    }

    /// The standard library's listener of the same socket, nonblocking, for a runtime to take.
    pub fn into_std(self) -> StdListener {
        match self.address {
            LocalAddr::Tcp(_) => StdListener::Tcp(self.socket.into()),
            LocalAddr::Unix(_) => StdListener::Unix(OwnedFd::from(self.socket).into()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.socket.into()
    }
}

/// `listen(2)` takes a C int; a backlog beyond its range exceeds what any kernel allows, so it is clamped.
fn listen(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}
