//! Faults in a client's frames, and their close codes (RFC 6455 section 7.4.1).

/// A fault of the client. After any of them the server reads nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// 1002
    #[error("{0}")]
    Protocol(&'static str),
    /// 1007
    #[error("{0}")]
    Data(&'static str),
    /// 1009
    #[error("{0}")]
    TooBig(&'static str),
}

impl FrameFault {
    /// The code to close with.
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Data(_) => 1007,
            Self::TooBig(_) => 1009,
        }
    }

    /// The reason to give with it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Protocol(reason) | Self::Data(reason) | Self::TooBig(reason) => reason,
        }
    }
}
