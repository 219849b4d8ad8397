//! Requests that a worker answers itself, whatever the application does and however busy it is: for those who watch the
//! server.

use pounce_asgi::{RequestHead, ResponseHead};
use pounce_metrics::TextFormat;

use crate::engine::{Engine, WorkerPhase};

/// The answer to a health check or a scrape of metrics; `None` for any other request.
pub(super) fn answer(engine: &Engine, head: &RequestHead) -> Option<(ResponseHead, String)> {
    let http = &engine.settings.http;
    let asks_for =
        |path: &Option<String>| path.as_ref().is_some_and(|path| path.as_bytes() == head.raw_path());
    let answered = if asks_for(&http.health_path) {
        match engine.phase() {
            WorkerPhase::Serving if engine.is_ready() => health(200, "ready", head),
            _ => health(503, "draining", head),
        }
    } else if asks_for(&http.live_path) {
        health(200, "live", head)
    } else if let Some(text) = engine.settings.metrics_text.as_ref().filter(|_| asks_for(&http.metrics_path))
    {
        let accept = head.fields().get_all(b"accept").next().unwrap_or_default();
        let format = TextFormat::accepted_by(accept);
        (200, format.media_type().as_bytes(), text(format))
    } else {
        return None;
    };
    let (status, media_type, body) = matches!(head.method(), b"GET" | b"HEAD").then_some(answered)?;
    let mut response = ResponseHead { status, ..ResponseHead::default() };
    response.fields.push(b"content-type", media_type);
    response.fields.push(b"cache-control", b"no-store");
    response.fields.push(b"vary", b"accept");
    Some((response, body))
}

/// The status, media type and body of a health check.
fn health(status: u16, said: &str, head: &RequestHead) -> (u16, &'static [u8], String) {
    match head.fields().get_all(b"accept").any(accepts_json) {
        true => (status, b"application/json", format!("{{\"status\":\"{said}\"}}\n")),
        false => (status, b"text/plain; charset=utf-8", format!("{said}\n")),
    }
}

/// Whether an `Accept` names JSON.
fn accepts_json(accept: &[u8]) -> bool {
    accept.split(|&byte| byte == b',').any(|part| {
        let name = part.split(|&byte| byte == b';').next();
        name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    })
}
