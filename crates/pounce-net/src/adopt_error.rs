//! Why a descriptor cannot become a listener.

use std::io;
use std::os::fd::RawFd;

use crate::listener::addr::Family;

/// Why a descriptor cannot be used as a listener.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// EBADF: nothing is open under this number.
    #[error("descriptor {fd} is not open in this process")]
    NotOpen {
        /// The number the caller named.
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
    /// The socket's family differs from the one the caller named.
    #[error("the socket's address family is {found}, not {expected}")]
    WrongFamily {
        /// The family the caller named.
        expected: Family,
        /// The socket's family.
        found: Family,
    },
    /// This crate does not serve the socket's family: AF_VSOCK, for instance.
    #[error("the socket is neither IPv4, IPv6 nor Unix")]
    UnsupportedFamily,
    /// A system call that reads the socket's properties or sets an option failed.
    #[error("the descriptor cannot be used: {0}")]
    Io(#[from] io::Error),
}
