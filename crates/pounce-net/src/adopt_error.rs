//! What can be wrong with a descriptor that is to be a listener.

use std::io;
use std::os::fd::RawFd;

use crate::listener::addr::Family;

/// Why a descriptor is not a listener that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// EBADF: nothing is open under this number.
    #[error("descriptor {fd} is not open in this process")]
    NotOpen {
        /// The number that was asked for.
        fd: RawFd,
    },
    /// ENOTSOCK: a file, a pipe, a terminal.
    #[error("the descriptor is not a socket")]
    NotASocket,
    /// SO_TYPE is not SOCK_STREAM: a datagram socket, for instance.
    #[error("the socket is not a stream socket")]
    NotAStream,
    /// SO_ACCEPTCONN is 0: `listen` was never called, or the socket is a connection.
    #[error("the socket is not listening")]
    NotListening,
    /// The socket belongs to another family than the one that was named.
    #[error("the socket's address family is {found}, not {expected}")]
    WrongFamily {
        /// The family that was named.
        expected: Family,
        /// The family that the socket has.
        found: Family,
    },
    /// The socket's family is not one that this crate serves, such as AF_VSOCK.
    #[error("the socket is neither IPv4, IPv6 nor Unix")]
    UnsupportedFamily,
    /// The system refused a question or an option.
    #[error("the descriptor cannot be used: {0}")]
    Io(#[from] io::Error),
}
