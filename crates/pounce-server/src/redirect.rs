//! Redirecting requests in clear text to HTTPS.

use std::future::{Ready, ready};
use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Payload, Peer, RequestHead, ResponseHead, Socket};
use pounce_config::ServerConfig;
use pounce_net::{Listener, LocalAddr};
use pounce_worker::Settings;

use crate::error::ServerError;
use crate::listeners;
use crate::side_server::SideServer;

/// The port of HTTPS, which URLs need not name.
const HTTPS: u16 = 443;

/// Sockets that nobody serves yet.
pub(crate) struct Redirect {
    listeners: Vec<Listener>,
    /// The port of the server itself.
    port: u16,
}

impl Redirect {
    /// Binds the port that redirects to one of these addresses, if one is configured.
    ///
    /// # Errors
    /// It cannot be bound.
    pub(crate) fn open(config: &ServerConfig, addresses: &[LocalAddr]) -> Result<Option<Self>, ServerError> {
        let mut listeners = Vec::new();
        for bind in &config.redirect_binds {
            listeners.extend(listeners::open(bind, None)?);
        }
        let port = addresses.iter().find_map(|address| match address {
            LocalAddr::Tcp(address) => Some(address.port()),
            LocalAddr::Unix(_) => None,
        });
        Ok(port.filter(|_| !listeners.is_empty()).map(|port| Self { listeners, port }))
    }

    /// Serves them.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn serve(self) -> Result<SideServer, ServerError> {
        for listener in &self.listeners {
            tracing::info!(target: "pounce", "Redirecting http://{} to HTTPS", listener.local_addr());
        }
        let (port, settings) = (self.port, Settings { websocket: None, ..Settings::default() });
        SideServer::start("redirect", self.listeners, settings, move || ToHttps { port })
    }
}

/// Answers every request with its HTTPS address.
struct ToHttps {
    port: u16,
}

impl App for ToHttps {
    type Connection = ();
    type Call = Ready<Outcome>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Self::Call {
        let mut response = ResponseHead::default();
        match location(head, self.port) {
            Some(location) => {
                // With 308, unlike 301, the method stays the same.
                response.status = 308;
                response.fields.push(b"location", &location);
            }
            None => response.status = 400,
        }
        // Fails only if the client has gone.
        let _ = exchange.start(&response).and_then(|()| exchange.body(Payload::Borrowed(b""), false));
        ready(Outcome::Returned)
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        let _ = socket.close(1000, "");
        ready(Outcome::Returned)
    }
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
