//! Sending files: from file to socket inside the kernel, or into memory piece by piece.
//!
//! Neither opens files nor waits for sockets.

#![allow(unsafe_code, reason = "sendfile has no safe form here, and a safe pread needs zeroed memory")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Sends up to `count` bytes of `file`, from `offset` on, into a nonblocking socket (`sendfile(2)`). The file's
/// position does not move. Returns 0 at the end of the file.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if the socket has no room now; [`io::ErrorKind::Unsupported`] if the system or the
/// file system has no sendfile, so that the caller must read the bytes.
#[cfg(target_os = "linux")]
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: both descriptors are borrowed and so open; `offset` is a live local, borrowed mutably.
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

/// Other systems have another `sendfile` or none: the caller must read the bytes.
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
/// first. Returns 0 at the end of the file.
///
/// # Errors
/// Those of `pread(2)`.
pub fn read_at(file: BorrowedFd<'_>, offset: u64, count: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    buffer.reserve(count);
    let room = &mut buffer.spare_capacity_mut()[..count];
    loop {
        // SAFETY: the descriptor is borrowed and so open; `room` is memory of `count` bytes, borrowed mutably.
        let read = unsafe { libc::pread(file.as_raw_fd(), room.as_mut_ptr().cast(), count, offset) };
        if let Ok(read) = usize::try_from(read) {
            let length = buffer.len() + read;
            // SAFETY: pread has written `read` bytes, at most `count`, after the existing ones.
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
    fn sendfile_stops_when_the_socket_is_full() {
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
    fn sending_from_a_socket_is_unsupported() {
        let (sender, _receiver) = UnixStream::pair().unwrap();
        let (_, unfit) = UnixStream::pair().unwrap();
        let refused = send_file(sender.as_fd(), unfit.as_fd(), 0, 1).unwrap_err();
        // A socket has no file offset.
        assert!(matches!(refused.kind(), io::ErrorKind::Unsupported | io::ErrorKind::NotSeekable));
    }
}
