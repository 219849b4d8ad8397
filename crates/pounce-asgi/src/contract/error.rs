//! What can be wrong with a message an application sends.

/// Why the wire refused what the application sent.
///
/// The client causes [`SendError::Disconnected`], which becomes an `OSError` in a Python application (ASGI 2.4). Every
/// other error is the application's fault and is raised in it by name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The client has gone; nothing that is sent can reach it.
    #[error("the client has disconnected")]
    Disconnected,
    /// The response is complete, or another exchange has begun on the connection.
    #[error("{0:?} was sent after the response was complete")]
    AfterEnd(&'static str),
    /// A second `http.response.start`.
    #[error("'http.response.start' was sent twice")]
    StartedTwice,
    /// Another message before `http.response.start`.
    #[error("{0:?} was sent before 'http.response.start'")]
    BeforeStart(&'static str),
    /// Early hints after the response head.
    #[error("{0:?} was sent after 'http.response.start'")]
    AfterStart(&'static str),
    /// A status that is not a final status of three digits (RFC 9110 section 15).
    #[error("'status' must be from 200 to 999, got {0}")]
    Status(i64),
    /// A field name that is not a token (RFC 9110 section 5.6.2).
    #[error("'headers' has the invalid field name {0:?}")]
    FieldName(String),
    /// A field value with CR, LF, NUL or another control character (RFC 9110 section 5.5).
    #[error("'headers' has an invalid value for {name:?}: control characters are not allowed")]
    FieldValue {
        /// The field that has it.
        name: String,
    },
    /// More fields than the HTTP/2 implementation takes.
    #[error("'headers' has too many fields")]
    TooManyFields,
    /// A content-length that is not a number, or two that differ.
    #[error("'headers' has an invalid content-length")]
    ContentLength,
    /// A transfer-encoding other than chunked; the server chooses the framing.
    #[error("'headers' must not have a transfer-encoding other than chunked: framing is the server's part")]
    TransferEncoding,
    /// More body than the content-length declared.
    #[error("the body is longer than its content-length of {declared} bytes")]
    BodyTooLong {
        /// The declared length.
        declared: u64,
    },
    /// The body ended before the content-length was reached.
    #[error("the body ended {missing} bytes short of its content-length")]
    BodyTooShort {
        /// How many bytes are missing.
        missing: u64,
    },
    /// A body event after the body, when only trailers may come.
    #[error("'http.response.body' was sent after the body was complete")]
    BodyAfterEnd,
    /// Trailers that were not announced with `trailers: True`, or before the body was complete.
    #[error("'http.response.trailers' needs 'trailers': True in 'http.response.start' and a complete body")]
    Trailers,
    /// A trailer field that trailers must not carry (RFC 9110 section 6.5.1).
    #[error("the field {0:?} is not allowed in trailers")]
    TrailerName(String),
    /// A message that needs an accepted WebSocket.
    #[error("{0:?} was sent before 'websocket.accept'")]
    NotAccepted(&'static str),
    /// A second answer to a WebSocket handshake.
    #[error("{0:?} was sent after the WebSocket was accepted")]
    Accepted(&'static str),
    /// A subprotocol that the client did not offer.
    #[error("'subprotocol' must be one that the client offers, got {0:?}")]
    Subprotocol(String),
    /// A close code that must not be sent (RFC 6455 section 7.4).
    #[error("'code' must be 1000 to 1003, 1007 to 1014 or 3000 to 4999, got {0}")]
    CloseCode(i64),
    /// A close reason that does not fit a control frame.
    #[error("'reason' must have at most 123 bytes, got {0}")]
    CloseReason(usize),
    /// A file that cannot be sent.
    #[error("cannot send the file {path:?}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// The system's error.
        reason: String,
    },
}
