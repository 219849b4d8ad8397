//! Handles the messages that an application sends to a WebSocket. Every fault names its key.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::{Accept, MessageKind, Payload, SendError, Socket};

use super::asyncio::Asyncio;
use super::entries::Entries;
use super::reading::{flag, raise, read_fields, read_head, send_body, with_bytes, wrong};

/// Handles one message.
///
/// # Errors
/// The exception to raise in the application if the message is malformed.
pub(super) fn send(
    asyncio: &Asyncio,
    socket: &Socket,
    kind: &str,
    mut message: Entries<'_, '_>,
) -> PyResult<Result<(), SendError>> {
    let names = &asyncio.names;
    Ok(match kind {
        "websocket.send" => send_data(asyncio, socket, &mut message)?,
        "websocket.accept" => {
            let mut accept = Accept::default();
            if let Some(subprotocol) = given(&mut message, &names.subprotocol)? {
                let text = subprotocol
                    .cast::<PyString>()
                    .map_err(|_| wrong("subprotocol", "a str or None", &subprotocol))?;
                accept.subprotocol = Some(text.to_str()?.as_bytes().to_vec());
            }
            if let Some(headers) = given(&mut message, &names.headers)? {
                read_fields(&headers, &mut accept.fields)?;
            }
            socket.accept(&accept)
        }
        "websocket.close" => {
            let code = match given(&mut message, &names.code)? {
                Some(code) => code.extract::<i64>().map_err(|_| wrong("code", "an int", &code))?,
                None => 1000,
            };
            let code = u16::try_from(code).map_err(|_| raise(SendError::CloseCode(code)))?;
            match given(&mut message, &names.reason)? {
                Some(reason) => {
                    let text =
                        reason.cast::<PyString>().map_err(|_| wrong("reason", "a str or None", &reason))?;
                    socket.close(code, text.to_str()?)
                }
                None => socket.close(code, ""),
            }
        }
        "websocket.http.response.start" => {
            let mut head = asyncio.head.take();
            let read = read_head(names, &mut message, &mut head);
            let sent = read.map(|()| socket.start(&head));
            asyncio.head.replace(head);
            sent?
        }
        "websocket.http.response.body" => {
            let body = message.take(&names.body)?;
            let more = flag(&mut message, &names.more_body)?;
            match body {
                Some(body) => send_body(&body, |body| socket.body(body, more))?,
                None => socket.body(Payload::Borrowed(b""), more),
            }
        }
        other => {
            return Err(PyValueError::new_err(format!(
                "the message type {other:?} is not known here; a WebSocket takes 'websocket.accept', \
                 'websocket.send', 'websocket.close' and 'websocket.http.response.start' and '.body'"
            )));
        }
    })
}

/// One of `bytes` and `text`.
fn send_data(
    asyncio: &Asyncio,
    socket: &Socket,
    message: &mut Entries<'_, '_>,
) -> PyResult<Result<(), SendError>> {
    let names = &asyncio.names;
    let (text, bytes) = (given(message, &names.text)?, given(message, &names.bytes)?);
    match (text, bytes) {
        (Some(text), None) => {
            let text = text.cast::<PyString>().map_err(|_| wrong("text", "a str", &text))?;
            Ok(socket.send(MessageKind::Text, Payload::Borrowed(text.to_str()?.as_bytes())))
        }
        (None, Some(bytes)) if bytes.is_instance_of::<PyString>() => Err(wrong("bytes", "bytes", &bytes)),
        (None, Some(bytes)) => match send_body(&bytes, |data| socket.send(MessageKind::Binary, data)) {
            Ok(sent) => Ok(sent),
            // `send_body`'s error would name a body, so read again with the right key.
            Err(_) => with_bytes(&bytes, "bytes", |_| Ok(())),
        },
        (None, None) => Err(PyValueError::new_err("'websocket.send' needs 'bytes' or 'text'")),
        (Some(_), Some(_)) => {
            Err(PyValueError::new_err("'websocket.send' takes 'bytes' or 'text', not both"))
        }
    }
}

/// The value of a key, unless it is None.
fn given<'py>(message: &mut Entries<'_, 'py>, name: &Py<PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(message.take(name)?.filter(|value| !value.is_none()))
}
