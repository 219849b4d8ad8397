//! Where a server should listen, as a user writes it.
//!
//! Not a bound address: a host name is not yet resolved, and port 0 not yet picked. See
//! [`LocalAddr`](crate::LocalAddr) for what a listener is bound to.

use std::fmt;
use std::os::fd::RawFd;
use std::path::PathBuf;

pub(crate) mod parse;

/// Where to listen.
///
/// | text | meaning |
/// |---|---|
/// | `127.0.0.1:8000`, `example.org:8000`, `[::1]:8000`, `[fe80::1%eth0]:8000` | TCP; port 0 is any free port |
/// | `unix:app.sock`, `unix:/run/app.sock`, `unix:///run/app.sock` | a Unix socket at a path |
/// | `unix:@app` | a Unix socket with an abstract name (Linux, `unix(7)`) |
/// | `fd://3`, `fd:3` | a listening socket that is already open |
///
/// [`FromStr`](std::str::FromStr) reads these and [`Display`](fmt::Display) writes the first form of each, which
/// parses to the same endpoint. A parsed endpoint is well-formed; only [`bind`](crate::bind) shows whether it can
/// be bound.
///
/// ```
/// use pounce_net::Endpoint;
///
/// let endpoint: Endpoint = "unix:///run/app.sock".parse()?;
/// assert_eq!(endpoint, Endpoint::Unix("/run/app.sock".into()));
/// assert_eq!(endpoint.to_string(), "unix:/run/app.sock");
/// # Ok::<(), pounce_net::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Every address that the host resolves to, at one port.
    Tcp {
        /// A host name or an address; an IPv6 address without its brackets.
        host: String,
        /// 0 asks the kernel for a free port.
        port: u16,
    },
    /// A Unix stream socket. A path that begins with `@` is an abstract name.
    Unix(PathBuf),
    /// A descriptor of this process that is already a listening socket.
    Fd(RawFd),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Fd(fd) => write!(f, "fd://{fd}"),
        }
    }
}
