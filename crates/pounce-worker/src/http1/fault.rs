//! Faults in a client's request, and their status codes.

/// A fault of the client. After any of them an HTTP/1.1 connection is closed, and nothing that follows on it is read as
/// a request; HTTP/2 ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// 400: the bytes are not HTTP, or contradict each other.
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
    #[error("only HTTP/1.0 and HTTP/1.1 are supported here")]
    VersionNotSupported,
}

impl Fault {
    /// The status of the response (RFC 9110 section 15).
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
