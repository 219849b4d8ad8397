//! The wire's side of a call: an HTTP exchange or a WebSocket.

use std::task::{Context, Poll};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::{Exchange, Inbound, SendError, Socket, SocketEvent};

use super::names::Names;

/// The wire's half of a call.
pub(super) enum Side {
    Http(Exchange),
    WebSocket(Socket),
}

impl Side {
    /// The next event as ASGI's message.
    pub(super) fn poll_message<'py>(
        &self,
        py: Python<'py>,
        names: &Names,
        cx: &mut Context<'_>,
    ) -> Poll<PyResult<Bound<'py, PyDict>>> {
        match self {
            Self::Http(exchange) => {
                let mut body = None;
                let inbound = exchange.poll_receive(cx, &mut |piece| {
                    body = Some(if piece.is_empty() {
                        names.empty_bytes.bind(py).clone()
                    } else {
                        PyBytes::new(py, piece)
                    });
                });
                inbound.map(|inbound| http_message(py, names, inbound, body))
            }
            Self::WebSocket(socket) => {
                let mut message = None;
                let received =
                    socket.poll_receive(cx, &mut |event| message = Some(socket_message(py, names, event)));
                received.map(|()| {
                    message.unwrap_or_else(|| {
                        Err(PyRuntimeError::new_err("receive() was called after 'websocket.disconnect'"))
                    })
                })
            }
        }
    }

    /// The message that reports the disconnect.
    pub(super) fn disconnect<'py>(&self, py: Python<'py>, names: &Names) -> PyResult<Bound<'py, PyDict>> {
        match self {
            Self::Http(_) => http_message(py, names, Inbound::Disconnect, None),
            Self::WebSocket(_) => {
                socket_message(py, names, SocketEvent::Disconnect { code: 1006, reason: "" })
            }
        }
    }

    pub(super) fn poll_receivable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http(exchange) => exchange.poll_receivable(cx),
            Self::WebSocket(socket) => socket.poll_receivable(cx),
        }
    }

    pub(super) fn stop_receiving(&self) {
        match self {
            Self::Http(exchange) => exchange.stop_receiving(),
            Self::WebSocket(socket) => socket.stop_receiving(),
        }
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        match self {
            Self::Http(exchange) => exchange.poll_ready(cx),
            Self::WebSocket(socket) => socket.poll_ready(cx),
        }
    }
}

fn http_message<'py>(
    py: Python<'py>,
    names: &Names,
    inbound: Inbound,
    body: Option<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    match inbound {
        Inbound::Disconnect => message.set_item(&names.kind, &names.http_disconnect)?,
        Inbound::Body { more } => {
            message.set_item(&names.kind, &names.http_request)?;
            message.set_item(&names.body, body)?;
            message.set_item(&names.more_body, more)?;
        }
    }
    Ok(message)
}

fn socket_message<'py>(
    py: Python<'py>,
    names: &Names,
    event: SocketEvent<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let message = PyDict::new(py);
    match event {
        SocketEvent::Connect => message.set_item(&names.kind, &names.websocket_connect)?,
        SocketEvent::Text(text) => {
            message.set_item(&names.kind, &names.websocket_receive)?;
            message.set_item(&names.text, PyString::new(py, text))?;
        }
        SocketEvent::Binary(bytes) => {
            message.set_item(&names.kind, &names.websocket_receive)?;
            message.set_item(&names.bytes, PyBytes::new(py, bytes))?;
        }
        SocketEvent::Disconnect { code, reason } => {
            message.set_item(&names.kind, &names.websocket_disconnect)?;
            message.set_item(&names.code, code)?;
            message.set_item(&names.reason, reason)?;
        }
    }
    Ok(message)
}
