//! Why an endpoint could not be bound, and what its user can do.
//!
//! Not malformed endpoints; those are [`EndpointError`](crate::EndpointError).

use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::{AdoptError, Endpoint, LocalAddr};

/// Why an endpoint could not be bound. The message is one line; [`BindError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// EADDRINUSE, or another process serves the Unix socket.
    #[error("{address} is already in use")]
    InUse {
        /// The one address of the endpoint that is taken.
        address: LocalAddr,
    },
    /// EACCES or EPERM.
    #[error("no permission to listen on {address}: {source}")]
    Permission {
        /// The address that was refused.
        address: LocalAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// EADDRNOTAVAIL or EAFNOSUPPORT: this machine has no such address.
    #[error("{address} is not an address of this machine")]
    NotAvailable {
        /// The address that was asked for.
        address: LocalAddr,
    },
    /// The resolver does not know the host.
    #[error("cannot resolve host `{host}`: {source}")]
    Resolve {
        /// The host as the endpoint names it.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// The path of a Unix socket holds a file of another kind, which is left alone.
    #[error("{path} exists and is not a socket", path = path.display())]
    NotASocket {
        /// The path of the endpoint.
        path: PathBuf,
    },
    /// The directory of a Unix socket does not exist.
    #[error("the directory of {path} does not exist", path = path.display())]
    NoDirectory {
        /// The path of the endpoint.
        path: PathBuf,
    },
    /// The descriptor cannot be used as a listener.
    #[error("cannot listen on fd://{fd}: {source}")]
    Adopt {
        /// The descriptor's number.
        fd: RawFd,
        /// The reason.
        source: AdoptError,
    },
    /// The endpoint cannot have several queues here.
    #[error("{endpoint} cannot be shared with SO_REUSEPORT on this system")]
    NoReusePort {
        /// The endpoint that was asked for.
        endpoint: Endpoint,
    },
    /// Anything else the system refused.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address that was refused.
        address: LocalAddr,
        /// The system's answer.
        source: io::Error,
    },
}

impl BindError {
    /// What the user can do, in one line, if known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InUse { address: LocalAddr::Tcp(address) } if address.ip().is_unspecified() => format!(
                "another process listens there (or `[::]` is bound beside `0.0.0.0`: `[::]` takes IPv4 too, unless it is \
                 IPv6 only); stop it, or choose a port other than {}",
                address.port()
            ),
            Self::InUse { address: LocalAddr::Tcp(address) } => {
                format!("stop the process that listens there, or choose a port other than {}", address.port())
            }
            Self::InUse { address: LocalAddr::Unix(_) } => {
                "stop the process that listens there, or choose another path".to_owned()
            }
            Self::Permission { address: LocalAddr::Tcp(address), .. } if address.port() < 1024 => format!(
                "ports below 1024 are privileged: choose one from 1024 up (such as {}), grant CAP_NET_BIND_SERVICE, or \
                 lower net.ipv4.ip_unprivileged_port_start",
                unprivileged(address.port())
            ),
            Self::Permission { address: LocalAddr::Tcp(_), .. } => return None,
            Self::Permission { address: LocalAddr::Unix(_), .. } => {
                "the user of this process needs write permission for the directory, and for a socket already there"
                    .to_owned()
            }
            Self::NotAvailable { .. } => {
                "write an address that an interface has, or `0.0.0.0` or `[::]` for every address".to_owned()
            }
            Self::Resolve { .. } => {
                "check the spelling, or write an address: `127.0.0.1` for this machine only, `0.0.0.0` for every one"
                    .to_owned()
            }
            Self::NotASocket { .. } => "choose another path, or remove the file yourself".to_owned(),
            Self::NoDirectory { path } => {
                let directory = path.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
                format!("create it: mkdir -p {directory}")
            }
            Self::Adopt { source: AdoptError::NotOpen { .. }, .. } => {
                "whatever starts this process must open the socket and let it be inherited".to_owned()
            }
            Self::Adopt { source: AdoptError::NotListening, .. } => {
                "call listen on the socket before it is handed over".to_owned()
            }
            Self::Adopt { .. } => "hand over a listening IPv4, IPv6 or Unix stream socket".to_owned(),
            Self::NoReusePort { .. } => "share one listener among the workers instead".to_owned(),
            Self::Io { .. } => return None,
        })
    }

    /// Classifies the system's error for `address`.
    pub(crate) fn from_io(address: LocalAddr, source: io::Error) -> Self {
        if source.raw_os_error() == Some(libc::EAFNOSUPPORT) {
            return Self::NotAvailable { address };
        }
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotAvailable { address },
            io::ErrorKind::PermissionDenied => Self::Permission { address, source },
            _ => Self::Io { address, source },
        }
    }
}

/// The port that people write for a privileged one: 80 → 8080, 443 → 8443.
fn unprivileged(port: u16) -> u16 {
    match port {
        443 => 8443,
        port => 8000 + port,
    }
}
