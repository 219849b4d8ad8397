//! Accepting, without waiting.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use socket2::{SockAddr, Socket};

use super::Listener;
use crate::LocalAddr;

/// An accepted connection: nonblocking and close-on-exec.
#[derive(Debug)]
pub enum Accepted {
    /// IPv4 or IPv6, and the peer's address.
    Tcp(TcpStream, SocketAddr),
    /// Unix, and the path the peer is bound to; most peers have none.
    Unix(UnixStream, Option<PathBuf>),
}

impl Listener {
    /// Accepts a connection that is already queued.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none, else those of `accept(2)`.
    pub fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = accept(&self.socket)?;
        match &self.address {
            LocalAddr::Tcp(_) => {
                let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
                Ok(Accepted::Tcp(socket.into(), peer))
            }
            LocalAddr::Unix(_) => {
                let path = peer.as_pathname().map(PathBuf::from);
                Ok(Accepted::Unix(OwnedFd::from(socket).into(), path))
            }
        }
    }
}

/// In one system call, both flags set.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "accept4 with SOCK_NONBLOCK; without it each connection costs another system call"
)]
fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    use std::os::fd::{AsRawFd as _, FromRawFd as _};

    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `try_init` gives storage for any address and its length, as accept4 requires; accept4 returns a new
    // descriptor that nothing else owns.
    unsafe {
        SockAddr::try_init(|storage, length| {
            let fd = libc::accept4(listener.as_raw_fd(), storage.cast(), length, flags);
            if fd == -1 { Err(io::Error::last_os_error()) } else { Ok(Socket::from_raw_fd(fd)) }
        })
    }
}

#[cfg(not(target_os = "linux"))]
fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, peer))
}
