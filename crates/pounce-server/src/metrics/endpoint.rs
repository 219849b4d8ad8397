//! The server's own address for metrics.

use std::future::{Ready, ready};
use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Payload, Peer, RequestHead, ResponseHead, Socket};
use pounce_net::Listener;
use pounce_worker::{MetricsText, Settings};

use crate::error::ServerError;
use crate::side_server::SideServer;

/// The path, as everywhere.
const PATH: &str = "/metrics";

/// Serves metrics at these sockets.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn serve(listeners: Vec<Listener>, text: MetricsText) -> Result<SideServer, ServerError> {
    let mut settings = Settings { websocket: None, metrics_text: Some(text), ..Settings::default() };
    settings.http.metrics_path = Some(PATH.to_owned());
    SideServer::start("metrics", listeners, settings, || Elsewhere)
}

/// What answers requests for other paths: that they are wrong here.
struct Elsewhere;

impl App for Elsewhere {
    type Connection = ();
    type Call = Ready<Outcome>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, exchange: Exchange) -> Self::Call {
        let mut head = ResponseHead { status: 404, ..ResponseHead::default() };
        head.fields.push(b"content-type", b"text/plain; charset=utf-8");
        let body = Payload::Borrowed(b"The metrics are at /metrics\n");
        // Fails only if the client has gone.
        let _ = exchange.start(&mut head).and_then(|()| exchange.body(body, false));
        ready(Outcome::Returned)
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        let _ = socket.close(1000, "");
        ready(Outcome::Returned)
    }
}
