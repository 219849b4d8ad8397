//! What a connection of HTTP/1.1 waits for, and since when.

use std::task::Context;
use std::time::{Duration, Instant};

use pounce_asgi::ExchangeId;

use super::alarm::Alarm;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
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

/// The deadline of one connection.
#[derive(Debug)]
pub(super) struct Timer {
    wait: Wait,
    since: Instant,
    /// The exchange that the wait is part of, or comes after.
    exchange: ExchangeId,
    alarm: Alarm,
}

impl Timer {
    pub(super) fn new(now: Instant) -> Self {
        Self { wait: Wait::FirstHead, since: now, exchange: 0, alarm: Alarm::default() }
    }

    /// What is being waited for.
    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// Notes what is waited for now; `progress` starts the wait anew.
    pub(super) fn set(&mut self, wait: Wait, exchange: ExchangeId, progress: bool, now: Instant) {
        if self.wait != wait || self.exchange != exchange || progress {
            self.wait = wait;
            self.exchange = exchange;
            self.since = now;
        }
    }

    /// True once `limit` has passed; otherwise makes sure that the task is woken when it has.
    pub(super) fn poll_expired(
        &mut self,
        limit: Option<Duration>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(deadline) = limit.and_then(|limit| self.since.checked_add(limit)) else { return false };
        self.alarm.poll_expired(deadline, now, cx)
    }
}
