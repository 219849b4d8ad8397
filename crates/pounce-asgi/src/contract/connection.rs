//! Facts about a connection that all of its exchanges share.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host's name and a port, as a proxy told them.
    Name(String, u16),
    /// A Unix socket's path. Empty for the unnamed end that a client has.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) if path.is_empty() => f.write_str("unix"),
            // A client chooses the name of its own end.
            Self::Unix(path) => write!(f, "unix:{}", path.escape_debug()),
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

/// Who asks, by what scheme, and whom, as the application sees it. A request has that of its connection, unless a proxy
/// in between is trusted to know better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub client: Address,
    /// The address that the client connected to.
    pub server: Address,
    /// Whether the client speaks over TLS.
    pub scheme: Scheme,
    /// What a proxy has removed from the beginning of the path: empty, or absolute without a slash at its end. With `None`
    /// it is as configured.
    pub root_path: Option<String>,
}

/// The scheme of a request's URI (RFC 9110 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, or `ws` for a WebSocket.
    Http,
    /// `https`, or `wss` for a WebSocket.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The facts about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The two ends of the connection, and its scheme.
    pub peer: Rc<Peer>,
    /// The TLS parameters, if the connection is encrypted.
    pub tls: Option<TlsInfo>,
    /// Whether its peer is a proxy that is trusted to say who asks.
    pub is_trusted_proxy: bool,
    /// The id that a trusted proxy has given to the connection.
    pub id: Option<String>,
}
