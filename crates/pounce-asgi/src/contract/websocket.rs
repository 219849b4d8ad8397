//! One WebSocket: the two sides between a protocol and an application, in ASGI's terms.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::{Fields, Payload, ResponseHead, SendError};

/// The kind of a message (RFC 6455 section 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// An inbound event of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketEvent<'a> {
    /// The client asks for a WebSocket (`websocket.connect`).
    Connect,
    /// A text message, whole (`websocket.receive`).
    Text(&'a str),
    /// A binary message, whole (`websocket.receive`).
    Binary(&'a [u8]),
    /// The end, once (`websocket.disconnect`).
    Disconnect {
        /// RFC 6455 section 7.4: 1005 if the client gave none, 1006 if the connection was lost.
        code: u16,
        /// The client's reason.
        reason: &'a str,
    },
}

/// How a WebSocket is accepted (`websocket.accept`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept {
    /// The subprotocol to speak.
    pub subprotocol: Option<Vec<u8>>,
    /// Fields of the response in addition to the handshake's. The wire checks them.
    pub fields: Fields,
}

/// A protocol's side of a WebSocket.
///
/// As with [`Wire`](crate::Wire) no method blocks, and all are called on the connection's thread.
pub trait SocketWire {
    /// Takes the next event: calls `take` with it, once, before it returns ready. `take` must not call back.
    ///
    /// Ready without a call to `take` means that no event follows: the disconnect was already taken.
    fn poll_receive(&self, cx: &mut Context<'_>, take: &mut dyn FnMut(SocketEvent<'_>)) -> Poll<()>;

    /// Ready when [`SocketWire::poll_receive`] would be, without taking anything.
    fn poll_receivable(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// The application no longer waits for an event.
    fn stop_receiving(&self);

    /// Ready when the client has read enough of the sent data.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the client has gone.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;

    /// Accepts the WebSocket.
    ///
    /// # Errors
    /// See [`SendError`]; nothing has been sent then.
    fn accept(&self, accept: &Accept) -> Result<(), SendError>;

    /// Sends a message.
    ///
    /// # Errors
    /// See [`SendError`]; the message has not been sent then.
    fn send(&self, kind: MessageKind, data: Payload<'_>) -> Result<(), SendError>;

    /// Closes the WebSocket with a code and a reason of at most 123 bytes; before it is accepted, denies it
    /// with status 403.
    ///
    /// # Errors
    /// See [`SendError`].
    fn close(&self, code: u16, reason: &str) -> Result<(), SendError>;

    /// Begins a response that denies the WebSocket (`websocket.http.response.start`).
    ///
    /// # Errors
    /// See [`SendError`]; nothing has been sent then.
    fn start(&self, head: &ResponseHead) -> Result<(), SendError>;

    /// Sends a piece of its body.
    ///
    /// # Errors
    /// See [`SendError`]; the piece has not been sent then.
    fn body(&self, data: Payload<'_>, more: bool) -> Result<(), SendError>;
}

/// The application's handle to one WebSocket. Cheap to clone.
#[derive(Clone)]
pub struct Socket(Rc<dyn SocketWire>);

impl Socket {
    /// A handle to the WebSocket of `wire`.
    pub fn new(wire: Rc<dyn SocketWire>) -> Self {
        Self(wire)
    }

    /// See [`SocketWire::poll_receive`].
    pub async fn receive(&self, mut take: impl FnMut(SocketEvent<'_>)) {
        std::future::poll_fn(|cx| self.poll_receive(cx, &mut take)).await;
    }

    /// See [`SocketWire::poll_ready`].
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the client has gone.
    pub async fn ready(&self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await
    }
}

impl std::ops::Deref for Socket {
    type Target = dyn SocketWire;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}
