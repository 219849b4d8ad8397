//! What an HTTP/1.1 connection waits for, and for how long.

use std::time::Duration;

use super::super::LINGER;
use super::super::timer::{Progress, Wait};
use crate::settings::Settings;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http1Wait {
    /// The whole first head on the connection.
    FirstHead,
    /// The first byte of a further request.
    KeepAlive,
    /// The rest of a further head.
    Head,
    /// The next piece of a body.
    Body,
    /// The client, to read.
    Write,
    /// The client, to close.
    Linger,
    /// The application, on behalf of a client that sends nothing more. It may have gone, which only a write can show.
    HalfClosed,
    /// Only the application: no deadline.
    Application,
}

impl Http1Wait {
    /// How long the wait may take.
    pub(super) fn limit(self, settings: &Settings) -> Option<Duration> {
        let http = &settings.http;
        match self {
            Self::FirstHead | Self::Head => Some(http.timeout_header),
            Self::KeepAlive => Some(http.timeout_keep_alive),
            Self::Body => Some(http.timeout_body),
            Self::Write | Self::HalfClosed => Some(http.timeout_write),
            Self::Linger => Some(LINGER),
            Self::Application => None,
        }
    }
}

impl Wait for Http1Wait {
    fn progress(self) -> Progress {
        match self {
            Self::Body => Progress::Received,
            Self::Write | Self::HalfClosed => Progress::Sent,
            _ => Progress::None,
        }
    }

    fn is_paced(self) -> bool {
        // In other waits there is no output that the client could read faster.
        matches!(self, Self::Body | Self::Write)
    }
}
