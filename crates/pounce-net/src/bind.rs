//! From an endpoint to its listeners.
//!
//! The families are in `bind::tcp` and `bind::unix`; here are the options, the choice and SO_REUSEPORT sets.

use crate::{Endpoint, Listener, sys};
use error::BindError;

pub(crate) mod error;
mod tcp;
mod unix;

/// How to bind. An option that a family does not know is not applied to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// How many connections may wait to be accepted; 2048 by default. The kernel caps it (on Linux at
    /// `net.core.somaxconn`). `None` only claims the address: connections are refused until
    /// [`Listener::listen`].
    pub backlog: Option<u32>,
    /// TCP: let other sockets of the same user bind the same address (SO_REUSEPORT, `socket(7)`). A second
    /// server at the same address is then no error.
    pub reuse_port: bool,
    /// The permission bits of a Unix socket's file, such as `0o660`; without it the process's umask decides.
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
    /// Has a socket that was bound listen, unless that is to come later.
    fn listen(&self, listener: &Listener) -> Result<(), BindError> {
        self.backlog.map_or(Ok(()), |backlog| listener.listen(backlog))
    }
}

/// Binds the endpoint and, with a [backlog](BindOptions::backlog), listens: all of it or nothing.
///
/// - A host is resolved, which may block, and every address it has is bound; `localhost` gives IPv4 and IPv6.
///   With port 0 all of them get the same port. Addresses of a family that the machine lacks are left out as
///   long as one is bound.
/// - A Unix path that holds the socket of a server that is gone is taken over; a socket that answers, or a file
///   of any other kind, is left alone and is an error. The permissions are in place before the first
///   connection is possible.
/// - A descriptor is adopted as [`Listener::from_raw_fd`] does it; its options stay as they are.
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
/// endpoint, and each listener with a queue of its own over which the kernel spreads the connections.
///
/// Connections in the queue of a listener that is closed are reset, and a listener that is open but not
/// accepted from keeps its share; so close a slot that is given up, when it is empty.
///
/// Another server at the same address is an error, unless [`BindOptions::reuse_port`] allows it.
///
/// # Errors
///
/// Those of [`bind`], and [`BindError::NoReusePort`] for what is not TCP and on systems that would not spread
/// the connections (see [`REUSE_PORT_BALANCES`](crate::REUSE_PORT_BALANCES)); duplicates of one listener do
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
        // SO_REUSEPORT would let the set join another server's sockets without a word.
        tcp::probe(&addresses, options)?;
    }
    let shared = BindOptions { reuse_port: true, ..*options };
    let mut slots: Vec<Vec<Listener>> = Vec::with_capacity(n);
    while slots.len() < n {
        let slot = tcp::bind_all(&addresses, &shared)?;
        if slots.is_empty() {
            // The port that the first slot was given, and the addresses that this machine has.
            addresses = tcp::addresses(&slot);
        }
        slots.push(slot);
    }
    Ok(slots)
}
