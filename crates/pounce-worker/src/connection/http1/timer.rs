//! What a connection of HTTP/1.1 waits for, and since when.

use std::task::Context;
use std::time::{Duration, Instant};

use pounce_asgi::ExchangeId;

use super::super::alarm::Alarm;
use super::super::pace::{Pace, earlier};
use crate::settings::Settings;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http1Wait {
    /// The first head on the connection, all of it.
    FirstHead,
    /// Any byte of a further request.
    KeepAlive,
    /// The rest of a further head.
    Head,
    /// The next piece of a body.
    Body,
    /// The client's reading.
    Write,
    /// The client's closing.
    Linger,
    /// The application, for a client that sends nothing more: it may have gone, and only what is written can tell.
    HalfClosed,
    /// The application alone: no deadline.
    Application,
}

/// How many bytes have moved since the connection began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// Those that have come.
    pub(super) received: u64,
    /// Those that the socket has taken.
    pub(super) sent: u64,
}

/// The deadline of one connection.
#[derive(Debug)]
pub(super) struct Timer {
    wait: Http1Wait,
    since: Instant,
    /// The exchange that the wait is part of, or comes after.
    exchange: ExchangeId,
    /// What had moved when this was looked at last.
    moved: Moved,
    /// How fast the current body comes.
    body: Pace,
    /// How fast the client reads.
    reader: Pace,
    alarm: Alarm,
}

impl Timer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wait: Http1Wait::FirstHead,
            since: now,
            exchange: 0,
            moved: Moved::default(),
            body: Pace::default(),
            reader: Pace::default(),
            alarm: Alarm::default(),
        }
    }

    /// Notes what is waited for now; a body that comes and a client that reads start the wait anew.
    pub(super) fn set(&mut self, wait: Http1Wait, exchange: ExchangeId, moved: Moved, now: Instant) {
        let before = std::mem::replace(&mut self.moved, moved);
        let progress = match self.wait {
            Http1Wait::Body => moved.received != before.received,
            Http1Wait::Write | Http1Wait::HalfClosed => moved.sent != before.sent,
            _ => false,
        };
        if self.exchange != exchange {
            self.body.end();
        }
        if self.wait != wait || self.exchange != exchange || progress {
            self.wait = wait;
            self.exchange = exchange;
            self.since = now;
        }
    }

    /// Measures the client that is waited for; `taken` tells how much of what was sent it has taken. Returns when to do
    /// so again, which is now if the client has been too slow.
    pub(super) fn pace(
        &mut self,
        settings: &Settings,
        moved: Moved,
        taken: impl Fn() -> i64,
        now: Instant,
    ) -> Option<Instant> {
        if self.wait == Http1Wait::Write {
            self.body.pause(now);
            return self.reader.wait(settings.min_read_rate, now, taken);
        }
        self.reader.end();
        if self.wait == Http1Wait::Body {
            return self.body.wait(settings.min_body_rate, now, || moved.received.cast_signed());
        }
        self.body.pause(now);
        None
    }

    /// True once `limit` has passed, or it is `paced`; otherwise makes sure that the task is woken when it has.
    pub(super) fn poll_expired(
        &mut self,
        limit: Option<Duration>,
        paced: Option<Instant>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        let limit = limit.and_then(|limit| self.since.checked_add(limit));
        let Some(deadline) = earlier(limit, paced) else { return false };
        self.alarm.poll_expired(deadline, now, cx)
    }
}
