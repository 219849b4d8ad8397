//! How far the body of a request has come.

/// How far the body of a request has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum BodyPhase {
    /// The client waits for `100 Continue`, and nobody has asked for the body yet.
    Expected,
    /// It comes, or has been asked for.
    #[default]
    Coming,
    /// All of it has come; the application has not taken the last piece.
    Complete,
    /// The application has been given the whole body.
    Taken,
}

impl BodyPhase {
    /// That of a request that has just come.
    pub(super) fn begin(expects_continue: bool) -> Self {
        if expects_continue { Self::Expected } else { Self::Coming }
    }

    /// Somebody asks for the body: whether `100 Continue` is to be sent, which is so once.
    pub(super) fn ask(&mut self) -> bool {
        let expected = *self == Self::Expected;
        if expected {
            *self = Self::Coming;
        }
        expected
    }

    /// A piece has come, the last one or not. A client that sends its body does not wait for `100 Continue` any more
    /// (RFC 9110 section 10.1.1).
    pub(super) fn come(&mut self, last: bool) {
        *self = if last { Self::Complete } else { Self::Coming };
    }

    /// The application takes what has come. True if the body goes on.
    pub(super) fn take(&mut self) -> bool {
        if *self == Self::Complete {
            *self = Self::Taken;
        }
        *self != Self::Taken
    }
}
