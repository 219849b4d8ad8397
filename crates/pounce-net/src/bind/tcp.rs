//! TCP: from a host to its addresses, and a listener at each.
//!
//! Not which endpoints are TCP, and not how many times they are bound.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::{BindError, BindOptions};
use crate::{Listener, LocalAddr};

/// Every distinct address of the host, in the resolver's order. Never empty. `localhost` is both loopback
/// addresses whatever the resolver says (RFC 6761 §6.3), because clients may try either first.
pub(super) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let failed = |source| BindError::Resolve { host: host.to_owned(), source };
    let loopback: &[IpAddr] = match host.eq_ignore_ascii_case("localhost") {
        true => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        false => &[],
    };
    let mut distinct = Vec::new();
    let resolved = match (host, port).to_socket_addrs() {
        Ok(resolved) => resolved,
        Err(_) if !loopback.is_empty() => Vec::new().into_iter(),
        Err(error) => return Err(failed(error)),
    };
    for address in resolved.chain(loopback.iter().map(|&ip| SocketAddr::new(ip, port))) {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    match distinct.is_empty() {
        true => Err(failed(io::Error::new(io::ErrorKind::NotFound, "the host has no address"))),
        false => Ok(distinct),
    }
}

/// A listener at each address, all or none. If the port is 0, all get the port the kernel gave the first.
pub(super) fn bind_all(addresses: &[SocketAddr], options: &BindOptions) -> Result<Vec<Listener>, BindError> {
    let picked_by_kernel = addresses.iter().any(|address| address.port() == 0);
    let mut attempts = if picked_by_kernel { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_each(addresses, options) {
            // A port that is free at one address may be taken at the next: let the kernel pick another.
            Err(BindError::InUse { .. }) if attempts > 0 => {}
            result => return result,
        }
    }
}

/// Checks that the addresses are free by binding them without SO_REUSEPORT. The sockets never listen, so no
/// connection is lost.
pub(super) fn probe(addresses: &[SocketAddr], options: &BindOptions) -> Result<(), BindError> {
    for &address in addresses {
        match bind_socket(address, &BindOptions { reuse_port: false, ..*options }) {
            Ok(_) => {}
            Err(error) => match BindError::from_io(address.into(), error) {
                BindError::NotAvailable { .. } => {} // `bind_each` decides whether that is an error
                error => return Err(error),
            },
        }
    }
    Ok(())
}

/// The addresses of TCP listeners.
pub(super) fn addresses(listeners: &[Listener]) -> Vec<SocketAddr> {
    let tcp = |listener: &Listener| match listener.local_addr() {
        LocalAddr::Tcp(address) => Some(*address),
        LocalAddr::Unix(_) => None,
    };
    listeners.iter().filter_map(tcp).collect()
}

fn bind_each(addresses: &[SocketAddr], options: &BindOptions) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut left_out = None;
    let mut picked = 0;
    for &wanted in addresses {
        let mut address = wanted;
        if address.port() == 0 {
            address.set_port(picked);
        }
        match listener_at(address, options) {
            Ok(listener) => {
                picked = listener.local_addr().port().unwrap_or(picked);
                listeners.push(listener);
            }
            // `localhost` may name ::1 on a machine without IPv6.
            Err(error @ BindError::NotAvailable { .. }) => left_out = left_out.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match left_out {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn listener_at(address: SocketAddr, options: &BindOptions) -> Result<Listener, BindError> {
    let bound = || {
        let socket = bind_socket(address, options)?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Listener::new(socket, bound.into(), None))
    };
    let listener = bound().map_err(|error| BindError::from_io(address.into(), error))?;
    options.listen(&listener)?;
    Ok(listener)
}

/// Binds so that nobody else can bind the address before this socket listens. While connections of an earlier server
/// linger in TIME_WAIT this is not possible: binding then needs SO_REUSEADDR, which lets two sockets bind as long as
/// neither listens (`socket(7)`), and the second to listen fails.
fn bind_socket(address: SocketAddr, options: &BindOptions) -> io::Result<Socket> {
    match bind_as(address, options, false) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind_as(address, options, true),
        bound => bound,
    }
}

fn bind_as(address: SocketAddr, options: &BindOptions, reuse_address: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(reuse_address)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if let IpAddr::V6(ip) = address.ip() {
        // The default of IPV6_V6ONLY is a system setting (net.ipv6.bindv6only), so set it explicitly for `[::]`.
        let only = options.ipv6_only.or(ip.is_unspecified().then_some(false));
        if let Some(only) = only {
            socket.set_only_v6(only)?;
        }
    }
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// How many times the kernel may pick a port that is taken at another address of the host.
const PORT_ATTEMPTS: u32 = 16;
