//! The phase of a WebSocket, and its end.

/// The phase of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebSocketPhase {
    /// The application has not answered yet.
    Connecting,
    /// The application is sending a denial response.
    Denying,
    Open,
    /// The server has sent a close frame and waits for the client's.
    Closing,
    /// The waiting output is written, then the connection ends.
    Leaving,
    Gone,
}

/// The end, as reported to the application.
#[derive(Debug)]
pub(super) struct WebSocketEnd {
    pub(super) code: u16,
    pub(super) reason: String,
}
