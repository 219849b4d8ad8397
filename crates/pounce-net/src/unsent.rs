//! How many of the bytes written to a socket have not reached the peer.

#![allow(unsafe_code, reason = "only an ioctl gives the number")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Bytes that the socket has taken and the peer has not: not yet acknowledged for TCP (SIOCOUTQ, `tcp(7)`), not yet
/// read for a Unix socket, with the kernel's overhead.
///
/// # Errors
/// The descriptor is not such a socket.
#[cfg(target_os = "linux")]
pub fn unsent(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed and so open; `count` is a live local of the type that this request writes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Other systems cannot be asked; written bytes count as received.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn unsent(_socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn bytes_that_the_peer_has_read_are_not_unsent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        sender.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(count) = sender.write(&[0; 65536]) {
            written += count;
        }
        assert!(unsent(sender.as_fd()).unwrap() > 0, "all {written} bytes went into a buffer that is full");
        receiver.read_exact(&mut vec![0; written]).unwrap();
        while unsent(sender.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
    }
}
