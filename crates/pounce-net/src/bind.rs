//! From an endpoint to its listeners.
//!
//! Holds the options, the dispatch by family and SO_REUSEPORT sets; the families are in `bind::tcp` and `bind::unix`.

use crate::{Endpoint, Listener, sys};
use error::BindError;

pub(crate) mod error;
mod tcp;
mod unix;

/// How to bind. A family ignores the options it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// How many connections may wait to be accepted; 2048 by default. The kernel caps it (on Linux at
    /// `net.core.somaxconn`). `None` only claims the address: connections are refused until
    /// [`Listener::listen`].
    pub backlog: Option<u32>,
    /// TCP: let other sockets of the same user bind the same address (SO_REUSEPORT, `socket(7)`). A second
    /// server at the same address is then no error.
    pub reuse_port: bool,
    /// The permission bits of a Unix socket's file, such as `0o660`; `None` leaves them to the process's umask.
    pub unix_mode: Option<u32>,
    /// IPv6: take no IPv4 connections (IPV6_V6ONLY, `ipv6(7)`). Without it `[::]` takes both, whatever the
    /// system's default is.
    pub ipv6_only: Option<bool>,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self { backlog: Some(2048), reuse_port: false, unix_mode: None, ipv6_only: None }
    }
}

impl BindOptions {
    /// Makes a bound socket listen, unless `backlog` is `None`.
    fn listen(&self, listener: &Listener) -> Result<(), BindError> {
        self.backlog.map_or(Ok(()), |backlog| listener.listen(backlog))
    }
}

/// Binds the endpoint and, with a [backlog](BindOptions::backlog), listens: all of it or nothing.
///
/// - A host is resolved, which may block, and every address it has is bound; `localhost` gives IPv4 and IPv6.
///   With port 0 all of them get the same port. Addresses of a family that the machine lacks are left out as
///   long as one is bound.
/// - A stale socket at a Unix path, left by a server that has ended, is replaced; a socket that answers and a file
///   of any other kind are left alone and are errors. The permissions are in place before the first
///   connection is possible.
/// - A descriptor is adopted as by [`Listener::from_raw_fd`]; its options stay as they are.
///
/// The result is never empty.
///
/// # Errors
///
/// See [`BindError`], which has a [`hint`](BindError::hint) for most.
pub fn bind(endpoint: &Endpoint, options: &BindOptions) -> Result<Vec<Listener>, BindError> {
    match endpoint {
        Endpoint::Tcp { host, port } => tcp::bind_all(&tcp::resolve(host, *port)?, options),
        Endpoint::Unix(path) => Ok(vec![unix::bind(path, options)?]),
        Endpoint::Fd(fd) => match Listener::from_raw_fd(*fd, None) {
            Ok(listener) => Ok(vec![listener]),
            Err(source) => Err(BindError::Adopt { fd: *fd, source }),
        },
    }
}

/// Binds the endpoint `n` times with SO_REUSEPORT: `n` slots, each with one listener per address of the
/// endpoint. Each listener has its own queue, and the kernel spreads the connections over the queues.
///
/// Closing a listener resets the connections in its queue, and an open listener keeps receiving its share even if
/// nothing accepts from it. To give up a slot, drain its queue and then close it.
///
/// Another server at the same address is an error, unless [`BindOptions::reuse_port`] allows it.
///
/// # Errors
///
/// Those of [`bind`], and [`BindError::NoReusePort`] for endpoints other than TCP and on systems that do not spread
/// the connections (see [`REUSE_PORT_BALANCES`](crate::REUSE_PORT_BALANCES)); share duplicates of one listener
/// there.
pub fn bind_set(
    endpoint: &Endpoint,
    options: &BindOptions,
    n: usize,
) -> Result<Vec<Vec<Listener>>, BindError> {
    let Endpoint::Tcp { host, port } = endpoint else {
        return Err(BindError::NoReusePort { endpoint: endpoint.clone() });
    };
    if !sys::REUSE_PORT_BALANCES {
        return Err(BindError::NoReusePort { endpoint: endpoint.clone() });
    }
    let mut addresses = tcp::resolve(host, *port)?;
    if !options.reuse_port {
        // SO_REUSEPORT would let the set join another server's sockets silently.
        tcp::probe(&addresses, options)?;
    }
    let shared = BindOptions { reuse_port: true, ..*options };
    let mut slots: Vec<Vec<Listener>> = Vec::with_capacity(n);
    while slots.len() < n {
        let slot = tcp::bind_all(&addresses, &shared)?;
        if slots.is_empty() {
            // The later slots bind the port the first one got, and only the addresses this machine has.
            addresses = tcp::addresses(&slot);
        }
        slots.push(slot);
    }
    Ok(slots)
}
