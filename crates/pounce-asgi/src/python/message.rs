//! One message that an application sends to an HTTP exchange or a WebSocket.

use std::cell::Cell;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::SendError;

use super::asyncio::Asyncio;
use super::entries::Entries;
use super::reading::{kind_of, raise};
use super::side::Side;
use super::{http_message, socket_message};

/// The messages that complete a response, unless they announce more.
const ENDINGS: [&str; 3] = ["http.response.body", "http.response.pathsend", "http.response.zerocopysend"];

/// The kind of a sent message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// A piece that announces more. It raises once the client has gone, which ends an endless stream.
    MoreFollows,
    /// Any other message. It never raises because the client has gone, so that code after an application's response
    /// still runs.
    Whole,
}

/// Handles one message. `has_ended` says whether the last piece of the response was sent.
///
/// # Errors
/// The exception to raise in the application.
pub(super) fn send(
    asyncio: &Asyncio,
    side: &Side,
    has_ended: &Cell<bool>,
    message: &Bound<'_, PyAny>,
) -> PyResult<Sent> {
    let py = message.py();
    let copy;
    let message = match message.cast::<PyDict>() {
        Ok(message) => message,
        // Any mapping will do, but almost all applications send a dict.
        Err(_) => {
            copy = PyDict::new(py);
            copy.call_method1("update", (message,)).map_err(|_| {
                PyTypeError::new_err(format!("a message must be a dict, got {}", kind_of(message)))
            })?;
            &copy
        }
    };
    let names = &asyncio.names;
    let mut entries = Entries::of(message);
    let Some(kind) = entries.take(&names.kind)? else {
        return Err(PyValueError::new_err("the message has no 'type'"));
    };
    let kind = kind
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("'type' must be a str, got {}", kind_of(&kind))))?;
    let kind = kind.to_str()?;
    let (result, sent) = match side {
        Side::Http(exchange) => {
            let (result, more) = http_message::send(asyncio, exchange, kind, entries)?;
            (result, if more { Sent::MoreFollows } else { Sent::Whole })
        }
        Side::WebSocket(socket) => {
            let result = socket_message::send(asyncio, socket, kind, entries)?;
            (result, if kind == "websocket.close" { Sent::Whole } else { Sent::MoreFollows })
        }
    };
    match result {
        // This is a mistake whether or not the client has gone.
        Err(SendError::Disconnected) if has_ended.get() && kind != "http.response.trailers" => {
            Err(PyRuntimeError::new_err(format!("{kind:?} was sent after the response was complete")))
        }
        Err(SendError::Disconnected) if sent == Sent::MoreFollows => Err(asyncio.disconnected(py)),
        Err(error) if error != SendError::Disconnected => Err(raise(error)),
        _ => {
            has_ended.set(sent == Sent::Whole && ENDINGS.contains(&kind));
            Ok(sent)
        }
    }
}
