//! Facts about a connection that all of its exchanges share.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

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

/// The result of a TLS handshake (the `tls` extension of ASGI).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// The protocol version as on the wire, such as 0x0304.
    pub version: u16,
    /// The cipher suite as on the wire.
    pub cipher_suite: u16,
    /// The server's certificate, in PEM.
    pub server_cert: Rc<str>,
    /// The client's certificate chain, in PEM, its own certificate first.
    pub client_chain: Vec<String>,
    /// The subject of the client's certificate (RFC 4514).
    pub client_name: Option<String>,
}

/// The facts about a connection: both addresses, the scheme, TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The peer.
    pub client: Address,
    /// The local address that the peer connected to.
    pub server: Address,
    /// The TLS parameters, if the connection is encrypted.
    pub tls: Option<TlsInfo>,
}

impl ConnectionInfo {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
