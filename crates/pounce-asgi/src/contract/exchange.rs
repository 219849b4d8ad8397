//! One exchange: the two sides between a protocol and an application.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::{Fields, FileBody, Payload, ResponseHead, SendError};

/// Identifies an exchange on its connection: a counter in HTTP/1.1, the stream identifier in HTTP/2.
pub type ExchangeId = u64;

/// An inbound event of an exchange (`http.request`, `http.disconnect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// A piece of the request body, possibly empty; `more` is ASGI's `more_body`.
    Body {
        /// Whether more may follow.
        more: bool,
    },
    /// The client has gone, or the response is complete.
    Disconnect,
}

/// A protocol's side of an exchange.
///
/// No method blocks. A sending method takes its data at once and keeps it until it is written, which is tried at the
/// latest when the turn ends; [`Wire::poll_ready`] is ready when little unwritten data is left.
/// All methods must be called on the connection's thread.
pub trait Wire {
    /// Takes the next inbound event. Asking for the body answers `Expect: 100-continue` (RFC 9110 section 10.1.1)
    /// and lets the connection read on.
    ///
    /// Before it returns [`Inbound::Body`] it calls `take` once with the piece, borrowed from the connection's
    /// buffer; `take` must not call back into the exchange.
    fn poll_receive(
        &self,
        id: ExchangeId,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Poll<Inbound>;

    /// Ready when [`Wire::poll_receive`] would be, without taking anything.
    fn poll_receivable(&self, id: ExchangeId, cx: &mut Context<'_>) -> Poll<()>;

    /// The application no longer waits for an inbound event: the connection reads no more of the body until it does
    /// again.
    fn stop_receiving(&self, id: ExchangeId);

    /// Ready when the client has read enough of the sent data.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the client has gone.
    fn poll_ready(&self, id: ExchangeId, cx: &mut Context<'_>) -> Poll<Result<(), SendError>>;

    /// Begins the response. It may stay unsent until the first piece of the body. The wire may add fields of its own to the
    /// head.
    ///
    /// # Errors
    /// See [`SendError`]; nothing has been sent then.
    fn start(&self, id: ExchangeId, head: &mut ResponseHead) -> Result<(), SendError>;

    /// Sends a piece of the body, the last one if not `more`.
    ///
    /// # Errors
    /// See [`SendError`]; the piece has not been sent then.
    fn body(&self, id: ExchangeId, data: Payload<'_>, more: bool) -> Result<(), SendError>;

    /// Sends a part of an open file as a piece of the body.
    ///
    /// # Errors
    /// See [`SendError`].
    fn file(&self, id: ExchangeId, file: FileBody, more: bool) -> Result<(), SendError>;

    /// Sends the trailer fields, which end the response if not `more`.
    ///
    /// # Errors
    /// See [`SendError`].
    fn trailers(&self, id: ExchangeId, fields: &Fields, more: bool) -> Result<(), SendError>;

    /// Sends `103 Early Hints` (RFC 8297) with these `Link` fields.
    ///
    /// # Errors
    /// See [`SendError`].
    fn early_hints(&self, id: ExchangeId, links: &Fields) -> Result<(), SendError>;

    /// Takes back a response head that has not been sent yet, so that another may be started.
    /// True if no part of a response has been sent.
    fn restart(&self, id: ExchangeId) -> bool;
}

/// The application's handle to one exchange. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    wire: Rc<dyn Wire>,
    id: ExchangeId,
}

impl Exchange {
    /// The exchange `id` of a connection.
    pub fn new(wire: Rc<dyn Wire>, id: ExchangeId) -> Self {
        Self { wire, id }
    }

    /// See [`Wire::poll_receive`].
    pub fn poll_receive(&self, cx: &mut Context<'_>, take: &mut dyn FnMut(&[u8])) -> Poll<Inbound> {
        self.wire.poll_receive(self.id, cx, take)
    }

    /// See [`Wire::poll_receivable`].
    pub fn poll_receivable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.poll_receivable(self.id, cx)
    }

    /// See [`Wire::stop_receiving`].
    pub fn stop_receiving(&self) {
        self.wire.stop_receiving(self.id);
    }

    /// Waits for the next inbound event and adds a piece of the body to `body`. Cancel safe: an event is
    /// either returned or still there.
    pub async fn receive(&self, body: &mut Vec<u8>) -> Inbound {
        std::future::poll_fn(|cx| self.poll_receive(cx, &mut |piece| body.extend_from_slice(piece))).await
    }

    /// See [`Wire::poll_ready`].
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the client has gone.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.wire.poll_ready(self.id, cx)
    }

    /// Waits until the client has read enough of the sent data.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the client has gone.
    pub async fn ready(&self) -> Result<(), SendError> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// See [`Wire::start`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn start(&self, head: &mut ResponseHead) -> Result<(), SendError> {
        self.wire.start(self.id, head)
    }

    /// See [`Wire::body`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn body(&self, data: Payload<'_>, more: bool) -> Result<(), SendError> {
        self.wire.body(self.id, data, more)
    }

    /// See [`Wire::file`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn file(&self, file: FileBody, more: bool) -> Result<(), SendError> {
        self.wire.file(self.id, file, more)
    }

    /// See [`Wire::trailers`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn trailers(&self, fields: &Fields, more: bool) -> Result<(), SendError> {
        self.wire.trailers(self.id, fields, more)
    }

    /// See [`Wire::early_hints`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn early_hints(&self, links: &Fields) -> Result<(), SendError> {
        self.wire.early_hints(self.id, links)
    }

    /// See [`Wire::restart`].
    pub fn restart(&self) -> bool {
        self.wire.restart(self.id)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("id", &self.id).finish_non_exhaustive()
    }
}
