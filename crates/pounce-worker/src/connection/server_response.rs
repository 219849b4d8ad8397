//! Responses of the server's own, whatever carries them.

use pounce_asgi::ResponseHead;

/// A response with this status, and its body.
pub(crate) fn server_response(status: u16, detail: &str) -> (ResponseHead, String) {
    let mut head = ResponseHead { status, ..ResponseHead::default() };
    head.fields.push(b"content-type", b"text/plain; charset=utf-8");
    match status {
        426 => head.fields.push(b"sec-websocket-version", b"13"),
        503 => head.fields.push(b"retry-after", b"1"),
        _ => {}
    }
    (head, format!("{detail}\n"))
}
