//! Redirecting requests in clear text to HTTPS.

use std::collections::BTreeSet;
use std::future::ready;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU64;

use pounce_asgi::{RequestHead, ResponseHead};
use pounce_config::{HttpConfig, ServerConfig};
use pounce_net::{Listener, LocalAddr};
use pounce_worker::Settings;

use crate::error::ServerError;
use crate::listeners;
use crate::side_server::{Answer, SideServer};

/// The port of HTTPS, which URLs need not name.
const HTTPS: u16 = 443;

/// Most connections to the port that redirects, unless the server's own limit is lower or higher: a client there needs
/// one request.
const MOST_CONNECTIONS: u64 = 1_000;

/// Sockets that nobody serves yet.
pub(crate) struct Redirect {
    listeners: Vec<Listener>,
    /// The port of the server itself.
    port: u16,
    settings: Settings,
}

impl Redirect {
    /// Binds the port that redirects, if one is configured, at the hosts of the addresses that the server listens at.
    ///
    /// # Errors
    /// It cannot be bound.
    pub(crate) fn open(config: &ServerConfig, addresses: &[LocalAddr]) -> Result<Option<Self>, ServerError> {
        let Some(from) = config.redirect_http else { return Ok(None) };
        let served: Vec<SocketAddr> = addresses.iter().filter_map(tcp).collect();
        let Some(to) = served.first() else {
            tracing::warn!(target: "pounce", "redirect-http has no effect: the server listens at no TCP port");
            return Ok(None);
        };
        let mut listeners = Vec::new();
        for host in hosts(&served) {
            listeners.extend(listeners::open(&SocketAddr::new(host, from).to_string(), None)?);
        }
        Ok(Some(Self { listeners, port: to.port(), settings: settings(&config.http) }))
    }

    /// Serves them.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn serve(self) -> Result<SideServer, ServerError> {
        for listener in &self.listeners {
            tracing::info!(target: "pounce", "Redirecting http://{} to HTTPS", listener.local_addr());
        }
        let port = self.port;
        let answers = move || move |head: &RequestHead| ready(to_https(head, port));
        SideServer::start("redirect", self.listeners, self.settings, answers)
    }
}

fn tcp(address: &LocalAddr) -> Option<SocketAddr> {
    match address {
        LocalAddr::Tcp(address) => Some(*address),
        LocalAddr::Unix(_) => None,
    }
}

/// Each host once, without those that another one, `0.0.0.0` or `[::]`, includes.
fn hosts(addresses: &[SocketAddr]) -> BTreeSet<IpAddr> {
    let all: BTreeSet<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let (every, every_v4) = (IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::UNSPECIFIED));
    match all.contains(&every) {
        true => BTreeSet::from([every]),
        false if all.contains(&every_v4) => {
            all.into_iter().filter(|host| host.is_ipv6() || *host == every_v4).collect()
        }
        false => all,
    }
}

/// The server's own timeouts and limits, without what concerns the application's responses.
fn settings(http: &HttpConfig) -> Settings {
    let most = http.limit_connections.or(NonZeroU64::new(MOST_CONNECTIONS));
    let http = HttpConfig {
        limit_connections: most,
        headers: Vec::new(),
        health_path: None,
        live_path: None,
        metrics_path: None,
        otel_endpoint: None,
        server_timing: false,
        ..http.clone()
    };
    Settings { http, ..Settings::default() }
}

/// The answer to a request: its HTTPS address.
fn to_https(head: &RequestHead, port: u16) -> Answer {
    let mut response = ResponseHead::default();
    match location(head, port) {
        Some(location) => {
            // With 308, unlike 301, the method stays the same.
            response.status = 308;
            response.fields.push(b"location", &location);
        }
        None => response.status = 400,
    }
    (response, Vec::new())
}

/// The same resource at the server's port; `None` if the request does not name its host.
fn location(head: &RequestHead, port: u16) -> Option<Vec<u8>> {
    let host = head.fields().get_all(b"host").next().filter(|host| !host.is_empty())?;
    // The port of this socket goes; the colons within brackets are an IPv6 address.
    let end = host.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    let name = match host[end..].iter().position(|byte| *byte == b':') {
        Some(colon) => &host[..end + colon],
        None => host,
    };
    let port = if port == HTTPS { String::new() } else { format!(":{port}") };
    // Only a target in origin form names a resource of this host.
    let target = Some(head.target()).filter(|target| target.starts_with(b"/")).unwrap_or(b"/");
    Some([b"https://", name, port.as_bytes(), target].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_bound_once_and_not_where_another_includes_it() {
        for (addresses, expected) in [
            (&["127.0.0.1:1", "[::1]:2", "127.0.0.1:3"][..], &["127.0.0.1", "::1"][..]),
            (&["0.0.0.0:1", "127.0.0.1:2", "[::1]:3"], &["0.0.0.0", "::1"]),
            (&["127.0.0.1:1", "[::]:2", "0.0.0.0:3"], &["::"]),
        ] {
            let addresses: Vec<SocketAddr> =
                addresses.iter().map(|address| address.parse().expect("an address")).collect();
            let found: Vec<String> = hosts(&addresses).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
        }
    }
}
