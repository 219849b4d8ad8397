//! The progress of a request's body.

/// The progress of a request's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum BodyPhase {
    /// The client waits for `100 Continue`, and the application has not asked for the body yet.
    Expected,
    /// The body is arriving, or the application has asked for it.
    #[default]
    Coming,
    /// All of the body has arrived; the application has not taken the last piece.
    Complete,
    /// The application has taken the whole body.
    Taken,
}

impl BodyPhase {
    /// The phase of a request that has just arrived.
    pub(super) fn begin(expects_continue: bool) -> Self {
        if expects_continue { Self::Expected } else { Self::Coming }
    }

    /// Asks for the body. True, at most once, if `100 Continue` must be sent.
    pub(super) fn ask(&mut self) -> bool {
        let expected = *self == Self::Expected;
        if expected {
            *self = Self::Coming;
        }
        expected
    }

    /// Notes that a piece has arrived. A client that sends its body no longer waits for `100 Continue` (RFC 9110
    /// section 10.1.1).
    pub(super) fn come(&mut self, last: bool) {
        *self = if last { Self::Complete } else { Self::Coming };
    }

    /// Notes that the application takes what has arrived. True if the body goes on.
    pub(super) fn take(&mut self) -> bool {
        if *self == Self::Complete {
            *self = Self::Taken;
        }
        *self != Self::Taken
    }
}
