//! How much of what was written to a socket has not reached the other side.

#![allow(unsafe_code, reason = "nothing but an ioctl tells")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Bytes that the socket has taken and the other side has not: what TCP has not had acknowledged (SIOCOUTQ, `tcp(7)`),
/// what a Unix socket's reader has not read, with the kernel's own overhead.
///
/// # Errors
/// The descriptor is no such socket.
#[cfg(target_os = "linux")]
pub fn unsent(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed and so open; `count` is alive and ours to be written to, and of the type that
    // this request writes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Where that cannot be asked for, what was taken counts as there.
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
    fn what_the_other_side_takes_is_unsent_no_more() {
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
