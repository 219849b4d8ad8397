//! Responses that the server makes itself, for every protocol.

use pounce_asgi::ResponseHead;

/// The head and the body of a response with this status.
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
