//! The server's own address for metrics.

use std::future::ready;

use pounce_asgi::{RequestHead, ResponseHead};
use pounce_net::Listener;
use pounce_worker::{MetricsText, Settings};

use crate::error::ServerError;
use crate::side_server::{Answer, SideServer};

/// The path, as everywhere.
const PATH: &str = "/metrics";

/// Serves metrics at these sockets.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn serve(listeners: Vec<Listener>, text: MetricsText) -> Result<SideServer, ServerError> {
    let mut settings = Settings { metrics_text: Some(text), ..Settings::default() };
    settings.http.metrics_path = Some(PATH.to_owned());
    SideServer::start("metrics", listeners, settings, || |_: &RequestHead| ready(elsewhere()))
}

/// The answer to requests for other paths: that they are wrong here.
fn elsewhere() -> Answer {
    let mut head = ResponseHead { status: 404, ..ResponseHead::default() };
    head.fields.push(b"content-type", b"text/plain; charset=utf-8");
    (head, b"The metrics are at /metrics\n".to_vec())
}
