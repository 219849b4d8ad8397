//! One loop as the watchdog sees it.
//!
//! A loop that waits for events is left in peace until it works again. One that works is asked now and then to
//! answer in its next turn; if it does not for long enough, it is stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pounce_asgi::python::{Pulse, Stacks};
use pounce_supervisor::{Heartbeat, Reporter, Status};

/// How often a loop that works is looked at where no timeout says otherwise.
const INTERVAL: Duration = Duration::from_millis(7_500);

/// What a loop is watched for, and who learns of it.
pub(crate) struct Subject {
    /// What it is called in the log.
    pub(crate) name: String,
    /// How long it may be stuck.
    pub(crate) timeout: Option<Duration>,
    pub(crate) stacks: Option<Arc<Stacks>>,
    pub(crate) reporter: Reporter,
    pub(crate) requests: Arc<AtomicU64>,
}

pub(super) struct Patient {
    pulse: Pulse,
    subject: Subject,
    /// When it is looked at next; `None` while it rests.
    check_at: Option<Instant>,
    /// Since when an answer is waited for.
    asked_at: Option<Instant>,
    stuck: bool,
}

impl Patient {
    pub(super) fn new(pulse: Pulse, subject: Subject, now: Instant) -> Self {
        Self { pulse, subject, check_at: Some(now), asked_at: None, stuck: false }
    }

    /// Looks, if it is time to, and says when to look again: never for a loop that rests.
    pub(super) fn check(&mut self, now: Instant) -> Option<Instant> {
        if self.check_at.is_none() && !self.pulse.rests() {
            // It works again. The supervisor, which counts on heartbeats, must know that before the loop can get stuck.
            self.tell(true);
            self.check_at = Some(now + self.interval());
        }
        if self.check_at.is_some_and(|at| at <= now) {
            self.check_at = self.look(now).then(|| now + self.interval());
        }
        self.check_at
    }

    fn interval(&self) -> Duration {
        self.subject.timeout.map_or(INTERVAL, |timeout| timeout / 4)
    }

    /// Whether it is to be looked at again.
    fn look(&mut self, now: Instant) -> bool {
        if self.asked_at.is_none_or(|_| self.pulse.has_answered()) || self.pulse.waits() {
            self.asked_at = None;
            if std::mem::take(&mut self.stuck) {
                tracing::warn!(target: "pounce", "{} goes on", self.subject.name);
            }
            if self.pulse.rest() {
                self.tell(false);
                return false;
            }
            self.tell(true);
            if !self.pulse.waits() {
                self.pulse.ping();
                self.asked_at = Some(now);
            }
        } else if let (Some(since), Some(timeout), false) = (self.asked_at, self.subject.timeout, self.stuck)
            // The last check before the supervisor's own timeout.
            && now - since >= timeout * 3 / 4 - Duration::from_millis(10)
        {
            self.stuck = true;
            self.report(timeout);
        }
        true
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

    fn tell(&self, busy: bool) {
        let requests = self.subject.requests.load(Ordering::Relaxed);
        self.subject.reporter.report(Status::Heartbeat(Heartbeat { busy, requests, rss: rss() }));
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.pulse.leave();
    }
}

/// Bytes of memory of this process, where the system tells.
pub(crate) fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse().ok());
    kib.unwrap_or(0_u64) << 10
}
