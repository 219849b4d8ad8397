//! The watchdog's view of one loop.
//!
//! A loop that waits for events is left alone until it works again. A working loop is pinged now and then to answer in
//! its next turn; if it does not answer for long enough, it is stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pounce_asgi::python::{Pulse, Stacks};
use pounce_metrics::WorkerMetrics;
use pounce_supervisor::{Heartbeat, Reporter, Status};

use super::stall::{self, Stalls};
use crate::clock::monotonic;
use crate::metrics::resident;

/// How often a working loop is checked if there is no timeout.
const INTERVAL: Duration = Duration::from_millis(7_500);

/// How often its lag is counted.
const LAG_INTERVAL: Duration = Duration::from_millis(100);

/// From which lag on it counts as blocked, unless that is configured.
const BLOCKED: Duration = Duration::from_millis(100);

/// What to watch a loop for, and where to report it.
pub(crate) struct Subject {
    /// Its name in the log.
    pub(crate) name: String,
    /// How long it may be stuck.
    pub(crate) timeout: Option<Duration>,
    /// How long it may be blocked before the log says where.
    pub(crate) blocked: Option<Duration>,
    pub(crate) stacks: Option<Arc<Stacks>>,
    pub(crate) reporter: Reporter,
    pub(crate) requests: Arc<AtomicU64>,
    /// Where its lag is counted.
    pub(crate) metrics: Option<WorkerMetrics>,
}

pub(super) struct Patient {
    pulse: Pulse,
    subject: Subject,
    /// When to check it next; `None` while it rests.
    check_at: Option<Instant>,
    /// When the unanswered ping was sent.
    asked_at: Option<Instant>,
    /// When the supervisor was last told that the loop is busy.
    told_at: Option<Instant>,
    stuck: bool,
    /// Where the loop is blocked, and by which request, once it is for too long.
    blocked_in: Option<(String, Option<String>)>,
    stalls: Stalls,
}

impl Patient {
    pub(super) fn new(pulse: Pulse, subject: Subject, now: Instant) -> Self {
        Self {
            pulse,
            subject,
            check_at: Some(now),
            asked_at: None,
            told_at: None,
            stuck: false,
            blocked_in: None,
            stalls: Stalls::default(),
        }
    }

    /// Checks the loop if it is time to, and returns when to check again: never for a loop that rests.
    pub(super) fn check(&mut self, now: Instant) -> Option<Instant> {
        if self.check_at.is_none() && !self.pulse.rests() {
            // The loop works again. The supervisor must expect heartbeats before the loop can get stuck.
            self.tell(true, now);
            self.check_at = Some(now + self.interval());
        }
        if self.check_at.is_some_and(|at| at <= now) {
            self.check_at = self.look(now).then(|| now + self.interval());
        }
        self.check_at
    }

    /// How often a working loop is checked.
    fn interval(&self) -> Duration {
        let blocked = self.subject.blocked.map_or(Duration::MAX, |blocked| blocked / 2);
        let blocked = if self.subject.metrics.is_some() { blocked.min(LAG_INTERVAL) } else { blocked };
        self.heartbeat().min(blocked.max(Duration::from_millis(1)))
    }

    /// How often the supervisor is told that it works.
    fn heartbeat(&self) -> Duration {
        self.subject.timeout.map_or(INTERVAL, |timeout| timeout / 4)
    }

    /// Counts how late the loop was to answer; one that waits for events answers at once.
    fn count_lag(&self) {
        let Some(metrics) = &self.subject.metrics else { return };
        let late = match self.asked_at {
            Some(since) if self.pulse.has_answered() => {
                self.pulse.answered_at().saturating_duration_since(since)
            }
            Some(_) => return,
            None => Duration::ZERO,
        };
        metrics.due(None);
        metrics.lag(late, self.subject.blocked.unwrap_or(BLOCKED));
    }

    /// Logs a stall that is over, and finds out where the loop is in one that goes on.
    fn look_for_stall(&mut self, now: Instant) {
        let (Some(limit), Some(since)) = (self.subject.blocked, self.asked_at) else { return };
        if self.pulse.has_answered() {
            if let Some((place, serving)) = self.blocked_in.take() {
                let lasted = self.pulse.answered_at().saturating_duration_since(since);
                self.stalls.log(&self.subject.name, &place, serving.as_deref(), lasted);
            }
        } else if self.blocked_in.is_none() && now - since >= limit {
            let serving = self.pulse.serving();
            let stack = self.subject.stacks.as_ref().and_then(|stacks| stacks.of(self.pulse.thread()));
            self.blocked_in = stack.as_deref().map(|stack| (stall::place(stack), serving));
        }
    }

    /// Whether it must be checked again.
    fn look(&mut self, now: Instant) -> bool {
        self.count_lag();
        self.look_for_stall(now);
        if self.blocked_in.is_some() && self.pulse.waits() && !self.pulse.has_answered() {
            // It is about to answer, and then the stall's end is known.
            return true;
        }
        if self.asked_at.is_none_or(|_| self.pulse.has_answered()) || self.pulse.waits() {
            self.asked_at = None;
            if std::mem::take(&mut self.stuck) {
                tracing::warn!(target: "pounce", "{} goes on", self.subject.name);
            }
            if self.pulse.rest() {
                self.tell(false, now);
                return false;
            }
            self.tell(true, now);
            if !self.pulse.waits() {
                if let Some(metrics) = &self.subject.metrics {
                    metrics.due(Some(monotonic()));
                }
                self.pulse.ping();
                self.asked_at = Some(now);
            }
        } else if let (Some(since), Some(timeout), false) = (self.asked_at, self.subject.timeout, self.stuck)
            // The last check before the supervisor's own timeout.
            && now - since >= (timeout * 3 / 4).saturating_sub(Duration::from_millis(10))
        {
            self.stuck = true;
            self.report(timeout);
        }
        true
    }

    /// What its thread does at this moment.
    pub(super) fn stack(&self) -> String {
        let name = &self.subject.name;
        if self.pulse.waits() {
            return format!("{name} waits for events");
        }
        let stack = self.subject.stacks.as_ref().and_then(|stacks| stacks.of(self.pulse.thread()));
        match stack {
            Some(stack) => format!("{name} runs\n{stack}"),
            None => format!("{name} runs no Python code"),
        }
    }

    fn report(&self, timeout: Duration) {
        let stack = self.subject.stacks.as_ref().and_then(|stacks| stacks.of(self.pulse.thread()));
        let place = stack.map_or_else(|| "no Python code".to_owned(), |stack| format!("\n{stack}"));
        tracing::error!(
            target: "pounce",
            "{} is stuck: it has done nothing else for {timeout:?} than {place}",
            self.subject.name
        );
    }

    fn tell(&mut self, busy: bool, now: Instant) {
        if busy && self.told_at.is_some_and(|told| now - told < self.heartbeat()) {
            return;
        }
        self.told_at = busy.then_some(now);
        let requests = self.subject.requests.load(Ordering::Relaxed);
        self.subject.reporter.report(Status::Heartbeat(Heartbeat { busy, requests, rss: rss() }));
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.pulse.leave();
    }
}

/// Resident memory of this process in bytes; 0 if unknown.
pub(crate) fn rss() -> u64 {
    resident(std::process::id())
}
