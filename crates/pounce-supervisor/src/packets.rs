//! Messages with descriptors over a Unix socket that keeps their boundaries (SOCK_SEQPACKET).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message.
const LONGEST: usize = 64 * 1024;

/// The most descriptors of one message: the kernel's limit (SCM_MAX_FD).
const MOST: usize = 253;

/// A connected pair.
///
/// # Errors
/// The process is out of descriptors.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends a message and duplicates of descriptors. Does not wait.
///
/// # Errors
/// The other end is gone, or does not read.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    write(socket, message, descriptors, MsgFlags::MSG_DONTWAIT)
}

/// Sends a message, and waits until there is room for it.
///
/// # Errors
/// The other end is gone.
pub(crate) fn send_waiting(socket: BorrowedFd<'_>, message: &impl Serialize) -> io::Result<()> {
    write(socket, message, &[], MsgFlags::empty())
}

fn write(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
    flags: MsgFlags,
) -> io::Result<()> {
    let text = serde_json::to_vec(message).map_err(io::Error::other)?;
    if text.len() > LONGEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let numbers: Vec<RawFd> = descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&text)], rights, flags | MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The next message, and the numbers of its descriptors, which this process now owns and a program that it executes would
/// inherit. `None` if the other end is gone.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none and the socket does not wait, or the message is malformed.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    flags: MsgFlags,
) -> io::Result<Option<(T, Vec<RawFd>)>> {
    let mut text = vec![0; LONGEST];
    let mut space = nix::cmsg_space!([RawFd; MOST]);
    let (length, descriptors) = {
        let mut slices = [IoSliceMut::new(&mut text)];
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let mut descriptors = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                descriptors.extend(numbers);
            }
        }
        (received.bytes, descriptors)
    };
    if length == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(&text[..length]).map_err(io::Error::other)?;
    Ok(Some((message, descriptors)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn messages_keep_their_boundaries_and_bring_descriptors() {
        let (ours, theirs) = pair().expect("a pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        send(ours.as_fd(), &"with", &[writer.as_fd()]).expect("sent");
        send(ours.as_fd(), &"without", &[]).expect("sent");
        drop(writer);
        let (text, numbers) =
            receive::<String>(theirs.as_fd(), MsgFlags::empty()).expect("read").expect("a message");
        assert_eq!((text.as_str(), numbers.len()), ("with", 1));
        let again = std::fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{}", numbers[0]));
        again.expect("it is open").write_all(b"x").expect("written");
        let mut byte = [0];
        reader.read_exact(&mut byte).expect("it is the pipe");
        let next = receive::<String>(theirs.as_fd(), MsgFlags::empty()).expect("read");
        assert_eq!(next, Some(("without".to_owned(), Vec::new())));
        let none = receive::<String>(theirs.as_fd(), MsgFlags::MSG_DONTWAIT).expect_err("nothing is there");
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        assert_eq!(receive::<String>(theirs.as_fd(), MsgFlags::empty()).expect("read"), None);
    }
}
