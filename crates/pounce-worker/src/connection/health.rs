//! Health checks: requests that a worker answers itself, whatever the application does and however busy it is.

use pounce_asgi::{RequestHead, ResponseHead};

use crate::engine::{Engine, WorkerPhase};

/// The answer to a health check; `None` for any other request.
pub(super) fn answer(engine: &Engine, head: &RequestHead) -> Option<(ResponseHead, String)> {
    let http = &engine.settings.http;
    let asks_for =
        |path: &Option<String>| path.as_ref().is_some_and(|path| path.as_bytes() == head.raw_path());
    let (status, said) = if asks_for(&http.health_path) {
        match engine.phase() {
            WorkerPhase::Serving if engine.is_ready() => (200, "ready"),
            _ => (503, "draining"),
        }
    } else if asks_for(&http.live_path) {
        (200, "live")
    } else {
        return None;
    };
    if !matches!(head.method(), b"GET" | b"HEAD") {
        return None;
    }
    let is_json = head.fields().get_all(b"accept").any(accepts_json);
    let mut response = ResponseHead { status, ..ResponseHead::default() };
    let (media_type, body) = match is_json {
        true => (&b"application/json"[..], format!("{{\"status\":\"{said}\"}}\n")),
        false => (&b"text/plain; charset=utf-8"[..], format!("{said}\n")),
    };
    response.fields.push(b"content-type", media_type);
    response.fields.push(b"cache-control", b"no-store");
    response.fields.push(b"vary", b"accept");
    Some((response, body))
}

/// Whether an `Accept` names JSON.
fn accepts_json(accept: &[u8]) -> bool {
    accept.split(|&byte| byte == b',').any(|part| {
        let name = part.split(|&byte| byte == b';').next();
        name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    })
}
