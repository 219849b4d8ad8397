//! What can be wrong with what a client sends, and the response that says so.

/// A fault of the client. After any of them a connection of HTTP/1.1 is closed, and nothing that follows on it is taken
/// for a request; HTTP/2 ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// 400: the bytes are not HTTP, or say two things at once.
    #[error("{0}")]
    BadRequest(&'static str),
    /// 408: the client was too slow.
    #[error("the client was too slow")]
    Timeout,
    /// 413
    #[error("the body is longer than this server allows")]
    ContentTooLarge,
    /// 414
    #[error("method and target are longer than this server allows")]
    UriTooLong,
    /// 417
    #[error("only the expectation 100-continue is known")]
    ExpectationFailed,
    /// 431
    #[error("the header section is larger than this server allows")]
    FieldsTooLarge,
    /// 501
    #[error("{0}")]
    NotImplemented(&'static str),
    /// 505
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    VersionNotSupported,
}

impl Fault {
    /// The status that tells the client (RFC 9110 section 15).
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Timeout => 408,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::FieldsTooLarge => 431,
            Self::NotImplemented(_) => 501,
            Self::VersionNotSupported => 505,
        }
    }
}
