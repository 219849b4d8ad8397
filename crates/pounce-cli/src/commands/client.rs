//! Requests to a control socket: HTTP/1.0, one request for each connection.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the server; the answer's JSON.
///
/// # Errors
/// What is wrong, for the operator: nobody listens, or the server refuses.
pub(super) fn ask(socket: &Path, method: &str, target: &str) -> Result<Value, String> {
    let shown = socket.display();
    let unusable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!("no server listens at the control socket {shown}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("only the server's user and root may use the control socket {shown}")
        }
        std::io::ErrorKind::WouldBlock => {
            format!("the server at the control socket {shown} has not answered within {PATIENCE:?}")
        }
        _ => format!("cannot use the control socket {shown}: {error}"),
    };
    let mut stream = UnixStream::connect(socket).map_err(unusable)?;
    // A reload takes as long as the application takes to start.
    let patience = (target != "/reload").then_some(PATIENCE);
    stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(patience)).map_err(unusable)?;
    write!(stream, "{method} {target} HTTP/1.0\r\n\r\n").map_err(unusable)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(unusable)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return Err(format!("the server closed the control socket {shown} without an answer"));
    };
    let status =
        answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok()).unwrap_or(0);
    let body: Value = serde_json::from_slice(&answer[end + 4..])
        .map_err(|_| format!("what listens at {shown} is no control socket of Pounce"))?;
    match (status, body.get("error").and_then(Value::as_str)) {
        (200..300_u16, _) => Ok(body),
        (_, Some(error)) => Err(error.to_owned()),
        _ => Err(format!("the server answered with {status}")),
    }
}
