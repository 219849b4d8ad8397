//! Files on their way to a client: from file to socket inside the kernel, or into memory piece by piece.
//!
//! Not the opening of files, and not the waiting for a socket.

#![allow(
    unsafe_code,
    reason = "sendfile has no safe form here, and a safe pread needs memory that was zeroed"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Sends up to `count` bytes of `file`, from `offset` on, into a socket that does not block (`sendfile(2)`). The
/// position of the file stays where it is. 0 is the end of the file.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] where the socket takes nothing now; [`io::ErrorKind::Unsupported`] where the system or
/// the file system cannot do this, so that the bytes must be read.
#[cfg(target_os = "linux")]
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: both descriptors are borrowed and so open; `offset` is alive and ours to be written to.
        let sent = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &raw mut offset, count) };
        if let Ok(sent) = usize::try_from(sent) {
            return Ok(sent);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            _ => return Err(error),
        }
    }
}

/// Elsewhere `sendfile` has other arguments or is not there: the bytes must be read.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
#[cfg(not(target_os = "linux"))]
pub fn send_file(
    _socket: BorrowedFd<'_>,
    _file: BorrowedFd<'_>,
    _offset: u64,
    _count: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Appends up to `count` bytes of `file`, from `offset` on, to `buffer` (`pread(2)`), without writing zeros there
/// first. 0 is the end of the file.
///
/// # Errors
/// What the system says.
pub fn read_at(file: BorrowedFd<'_>, offset: u64, count: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    buffer.reserve(count);
    let room = &mut buffer.spare_capacity_mut()[..count];
    loop {
        // SAFETY: the descriptor is borrowed and so open; `room` is memory of `count` bytes, borrowed mutably.
        let read = unsafe { libc::pread(file.as_raw_fd(), room.as_mut_ptr().cast(), count, offset) };
        if let Ok(read) = usize::try_from(read) {
            let length = buffer.len() + read;
            // SAFETY: pread has written `read` bytes, at most `count`, behind those that were there.
            unsafe { buffer.set_len(length) };
            return Ok(read);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn file_with(content: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_part_of_a_file_is_appended_and_the_end_is_seen() {
        let mut file = file_with(b"0123456789");
        let position = file.stream_position().unwrap();
        let mut buffer = b"<".to_vec();
        assert_eq!(read_at(file.as_fd(), 2, 3, &mut buffer).unwrap(), 3);
        assert_eq!(read_at(file.as_fd(), 8, 100, &mut buffer).unwrap(), 2);
        assert_eq!(read_at(file.as_fd(), 10, 100, &mut buffer).unwrap(), 0);
        assert_eq!(buffer, b"<23489");
        assert_eq!(file.stream_position().unwrap(), position);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_takes_of_a_file_what_it_has_room_for() {
        let content = vec![7; 4 << 20];
        let file = file_with(&content);
        let (sender, mut receiver) = UnixStream::pair().unwrap();
        sender.set_nonblocking(true).unwrap();
        let mut sent = 0;
        let refused = loop {
            match send_file(sender.as_fd(), file.as_fd(), sent as u64, content.len() - sent) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!((1..content.len()).contains(&sent), "{sent}");
        assert_eq!(send_file(receiver.as_fd(), file.as_fd(), content.len() as u64, 1).unwrap(), 0);
        drop(sender);
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).unwrap();
        assert!(received == content[..sent]);
    }

    #[test]
    fn what_cannot_be_sent_from_must_be_read() {
        let (sender, _receiver) = UnixStream::pair().unwrap();
        let (_, unfit) = UnixStream::pair().unwrap();
        let refused = send_file(sender.as_fd(), unfit.as_fd(), 0, 1).unwrap_err();
        // A socket has no offset to send from.
        assert!(matches!(refused.kind(), io::ErrorKind::Unsupported | io::ErrorKind::NotSeekable));
    }
}
