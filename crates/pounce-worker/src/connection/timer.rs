//! What a connection waits for, and since when: a timer that is armed seldom.
//!
//! A deadline moves with every request, a timer in the wheel does not have to: it fires early, sees that
//! its deadline has moved on, and is armed again. A busy connection touches the wheel every few seconds.

use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use pounce_asgi::ExchangeId;
use tokio::time::Sleep;

/// How long a closing connection waits for the client to have read our last response.
pub(in crate::connection) const LINGER: Duration = Duration::from_secs(2);

/// How much a client may still send meanwhile.
pub(in crate::connection) const MAX_LINGER: usize = 1024 * 1024;

/// How long a connection that was used a moment ago waits for one more request when the worker drains.
pub(in crate::connection) const LAST_REQUEST: Duration = Duration::from_millis(250);

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

/// A timer of the runtime that is armed seldom.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    fires_at: Option<Instant>,
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

impl Alarm {
    /// True once it is `deadline`; otherwise makes sure that the task is woken then.
    pub(super) fn poll_expired(&mut self, deadline: Instant, now: Instant, cx: &mut Context<'_>) -> bool {
        if now >= deadline {
            return true;
        }
        if self.fires_at.is_some_and(|at| now < at && at <= deadline) {
            return false;
        }
        let at = tokio::time::Instant::from_std(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().reset(at);
        self.fires_at = Some(deadline);
        // It has just been armed for later: polling only registers the task.
        if sleep.as_mut().poll(cx).is_ready() {
            self.fires_at = None;
            cx.waker().wake_by_ref();
        }
        false
    }
}

use std::future::Future as _;
