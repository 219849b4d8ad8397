//! Facts about a connection that all of its exchanges share.

use std::fmt;
use std::net::SocketAddr;

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A Unix socket's path. Empty for the unnamed end that a client has.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) if path.is_empty() => f.write_str("unix"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// Who talks to whom, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The peer.
    pub client: Address,
    /// The address of ours that the peer connected to.
    pub server: Address,
    /// `http` or `https`.
    pub scheme: &'static str,
}
