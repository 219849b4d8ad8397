//! The progress of a response, and which ASGI messages may come next, for every protocol.

use pounce_asgi::{FileBody, SendError};

/// The progress of one response.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: ResponsePhase,
    body_sent: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ResponsePhase {
    /// No response head yet.
    #[default]
    Waiting,
    /// A head is held back until the first piece of the body.
    Held(Held),
    /// In the body; `left` is the rest of its declared length, if any.
    Body {
        left: Option<u64>,
    },
    /// In a body that is dropped instead of sent.
    Unsent,
    /// The body is complete; trailers are still to come.
    Trailers,
    Complete,
}

/// What a head that is held back declares about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The length declared by the application.
    pub(crate) length: Option<u64>,
    /// The body is dropped: in responses to HEAD, and with 204 and 304.
    pub(crate) unsent: bool,
}

impl Progress {
    /// Whether the head has been sent.
    pub(crate) fn is_head_sent(&self) -> bool {
        !matches!(self.phase, ResponsePhase::Waiting | ResponsePhase::Held(_))
    }

    /// Whether the head has been sent and no body follows it: pieces of a body are dropped.
    pub(crate) fn is_unsent(&self) -> bool {
        self.phase == ResponsePhase::Unsent
    }

    /// Whether the response is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.phase == ResponsePhase::Complete
    }

    /// Bytes of the body sent so far, before any transfer coding.
    pub(crate) fn body_sent(&self) -> u64 {
        self.body_sent
    }

    /// Drops a head that is held back, so that another response can start. False if the head has been sent.
    pub(crate) fn restart(&mut self) -> bool {
        if self.is_head_sent() {
            return false;
        }
        self.phase = ResponsePhase::Waiting;
        true
    }

    /// Whether a response with this status may be started.
    pub(crate) fn check_start(&self, status: u16) -> Result<(), SendError> {
        match self.phase {
            ResponsePhase::Waiting if (200..=999).contains(&status) => Ok(()),
            ResponsePhase::Waiting => Err(SendError::Status(status.into())),
            ResponsePhase::Complete => Err(SendError::AfterEnd("http.response.start")),
            _ => Err(SendError::StartedTwice),
        }
    }

    /// Notes that the head is held back.
    pub(crate) fn hold(&mut self, held: Held) {
        self.phase = ResponsePhase::Held(held);
    }

    /// Checks whether a piece of the body of this length may come now. For the first piece, returns the data of the
    /// held head: the caller then sends the head and calls [`Progress::enter_body`].
    pub(crate) fn check_piece(&self, length: u64, more: bool) -> Result<Option<Held>, SendError> {
        match self.phase {
            ResponsePhase::Waiting => Err(SendError::BeforeStart("http.response.body")),
            ResponsePhase::Complete => Err(SendError::AfterEnd("http.response.body")),
            ResponsePhase::Trailers => Err(SendError::BodyAfterEnd),
            ResponsePhase::Held(held) => {
                if let Held { length: Some(declared), unsent: false } = held {
                    check_length(declared, declared, length, more)?;
                }
                Ok(Some(held))
            }
            ResponsePhase::Body { left: Some(left) } => {
                check_length(self.body_sent + left, left, length, more)?;
                Ok(None)
            }
            ResponsePhase::Body { left: None } | ResponsePhase::Unsent => Ok(None),
        }
    }

    /// Cuts a file that has grown since its length was declared. Not with 206, where the declared length is that of a
    /// range: an application that sends the whole file then gets an error.
    pub(crate) fn clip(&self, status: u16, file: &mut FileBody) {
        let left = match self.phase {
            ResponsePhase::Held(Held { length, .. }) => length,
            ResponsePhase::Body { left } => left,
            _ => None,
        };
        if let (true, Some(left)) = (file.to_end && status != 206, left) {
            file.length = file.length.min(left);
        }
    }

    /// Notes that the head was sent, whether the body is dropped, and the body's declared length.
    pub(crate) fn enter_body(&mut self, unsent: bool, left: Option<u64>) {
        self.phase = if unsent { ResponsePhase::Unsent } else { ResponsePhase::Body { left } };
    }

    /// Notes that a piece was sent. True if it ends a body that is not dropped.
    pub(crate) fn finish_piece(&mut self, length: u64, more: bool, trailers: bool) -> bool {
        let ResponsePhase::Body { left } = &mut self.phase else {
            if !more {
                self.phase = ResponsePhase::Complete;
            }
            return false;
        };
        self.body_sent += length;
        if let Some(left) = left {
            *left -= length;
        }
        if !more {
            self.phase = if trailers { ResponsePhase::Trailers } else { ResponsePhase::Complete };
        }
        !more
    }

    /// Whether trailer fields may come now.
    pub(crate) fn check_trailers(&self) -> Result<(), SendError> {
        match self.phase {
            ResponsePhase::Trailers => Ok(()),
            ResponsePhase::Waiting => Err(SendError::BeforeStart("http.response.trailers")),
            ResponsePhase::Complete => Err(SendError::AfterEnd("http.response.trailers")),
            _ => Err(SendError::Trailers),
        }
    }

    /// Whether early hints may come now.
    pub(crate) fn check_early_hints(&self) -> Result<(), SendError> {
        match self.phase {
            ResponsePhase::Waiting => Ok(()),
            _ => Err(SendError::AfterStart("http.response.early_hint")),
        }
    }

    /// Notes that the response is complete.
    pub(crate) fn complete(&mut self) {
        self.phase = ResponsePhase::Complete;
    }
}

/// Checks that a piece of `length` fits the `left` bytes of a body of `declared` bytes.
fn check_length(declared: u64, left: u64, length: u64, more: bool) -> Result<(), SendError> {
    if length > left {
        return Err(SendError::BodyTooLong { declared });
    }
    if !more && length < left {
        return Err(SendError::BodyTooShort { missing: left - length });
    }
    Ok(())
}
