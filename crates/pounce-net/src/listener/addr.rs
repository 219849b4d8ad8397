//! The address and the address family of a listener.
//!
//! Not the address the user asked for; that is an [`Endpoint`](crate::Endpoint).

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::SockAddr;

/// The address family of a listener. With the descriptor it is all that another process needs to reconstruct
/// the listener ([`Listener::from_raw_fd`](crate::Listener::from_raw_fd)), so it has a text form:
/// `inet`, `inet6`, `unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 (AF_INET).
    Inet,
    /// IPv6 (AF_INET6), dual-stack listeners included.
    Inet6,
    /// Unix (AF_UNIX).
    Unix,
}

impl Family {
    /// The name that [`FromStr`] reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
            Self::Unix => "unix",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(text: &str) -> Result<Self, UnknownFamily> {
        match text {
            "inet" => Ok(Self::Inet),
            "inet6" => Ok(Self::Inet6),
            "unix" => Ok(Self::Unix),
            _ => Err(UnknownFamily(text.to_owned())),
        }
    }
}

/// A text that names no [`Family`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address family: write `inet`, `inet6` or `unix`")]
pub struct UnknownFamily(pub String);

/// The address that a listener is bound to, as `getsockname(2)` gives it. Never a peer's address.
///
/// Written as `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock` or `unix:@app`, which
/// [`Endpoint`](crate::Endpoint) reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LocalAddr {
    /// An address and a port; a listener's port is never 0.
    Tcp(SocketAddr),
    /// The path as it was bound, so possibly relative; an abstract name begins with `@`.
    Unix(PathBuf),
}

impl LocalAddr {
    /// The family of this address.
    pub fn family(&self) -> Family {
        match self {
            Self::Tcp(SocketAddr::V4(_)) => Family::Inet,
            Self::Tcp(SocketAddr::V6(_)) => Family::Inet6,
            Self::Unix(_) => Family::Unix,
        }
    }

    /// The TCP port; a Unix socket has none.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// `None` for a family that [`Family`] does not list.
    pub(crate) fn from_sock_addr(address: &SockAddr) -> Option<Self> {
        if let Some(address) = address.as_socket() {
            return Some(Self::Tcp(address));
        }
        if let Some(path) = address.as_pathname() {
            return Some(Self::Unix(path.to_owned()));
        }
        if let Some(name) = address.as_abstract_namespace() {
            let shown = [b"@", name].concat();
            return Some(Self::Unix(PathBuf::from(OsStr::from_bytes(&shown))));
        }
        address.is_unix().then(|| Self::Unix(PathBuf::new()))
    }
}

impl fmt::Display for LocalAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for LocalAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}
