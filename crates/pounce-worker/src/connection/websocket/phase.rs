//! How far a WebSocket is in its life, and what its end is.

/// How far a WebSocket is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebSocketPhase {
    /// The application has not answered yet.
    Connecting,
    /// It sends a response that denies.
    Denying,
    Open,
    /// We have sent a close frame and wait for the client's.
    Closing,
    /// Nothing more is to be said: what waits is written, then the connection ends.
    Leaving,
    Gone,
}

/// The end, as the application learns of it.
#[derive(Debug)]
pub(super) struct WebSocketEnd {
    pub(super) code: u16,
    pub(super) reason: String,
}
