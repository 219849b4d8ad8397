//! One slot and its workers: one that serves, and one that starts or leaves.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::{GRACE, WorkerId};
use crate::control::Heartbeat;

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Serving,
    /// It ends, by command or by itself.
    Leaving,
}

/// The last status of a worker that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Farewell {
    None,
    Idle,
    Stopped,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// Whether it may still accept connections: it has not reported that it drains.
    pub(super) accepts: bool,
    /// When the machine acts against a worker that has not made progress by then.
    pub(super) deadline: Option<Instant>,
    /// When it counts as stuck.
    pub(super) health: Option<Instant>,
    /// When its lifetime is over.
    pub(super) retire_at: Option<Instant>,
    pub(super) max_requests: Option<NonZeroU64>,
    /// Why it must be replaced, if it must.
    pub(super) spent: Option<String>,
    /// Whether the operator knows that it is spent.
    pub(super) spent_noted: bool,
    /// How far its shutdown has come.
    pub(super) farewell: Farewell,
    pub(super) stuck: bool,
    pub(super) terminated: bool,
    pub(super) killed: bool,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: u32,
    pub(super) workers: Vec<Worker>,
    pub(super) budget: Budget,
    /// No worker is spawned before this.
    pub(super) wait_until: Option<Instant>,
    pub(super) given_up: bool,
}

impl Worker {
    /// Makes the worker leave: it must end by `deadline`, or is forced to.
    pub(super) fn leave(&mut self, deadline: Instant) {
        self.stage = Stage::Leaving;
        self.deadline = Some(deadline);
        self.health = None;
        self.retire_at = None;
    }

    /// Notes a heartbeat. Returns whether the worker counted as stuck until now.
    pub(super) fn heartbeat(
        &mut self,
        now: Instant,
        sign: Heartbeat,
        healthcheck: Option<Duration>,
        max_rss: Option<u64>,
    ) -> bool {
        self.health = healthcheck.filter(|_| sign.busy).map(|timeout| now + timeout + GRACE);
        if self.max_requests.is_some_and(|limit| sign.requests >= limit.get()) {
            self.spent.get_or_insert_with(|| format!("it has served {} requests", sign.requests));
        }
        if max_rss.is_some_and(|limit| sign.rss > limit) {
            self.spent.get_or_insert_with(|| format!("it has grown to {} MiB", sign.rss >> 20));
        }
        std::mem::take(&mut self.stuck)
    }

    /// The worker's next deadline.
    fn due(&self) -> Option<Instant> {
        [self.deadline, self.health, self.retire_at].into_iter().flatten().min()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|at| at <= now)
    }
}

impl Slot {
    pub(super) fn new(number: u32) -> Self {
        Self { number, workers: Vec::new(), budget: Budget::default(), wait_until: None, given_up: false }
    }

    /// Clears the slot's history of failures.
    pub(super) fn renew(&mut self) {
        self.budget.renew();
        self.wait_until = None;
        self.given_up = false;
    }

    /// Whether a worker serves or will.
    pub(super) fn has_live(&self) -> bool {
        self.workers.iter().any(|worker| worker.stage != Stage::Leaving)
    }

    pub(super) fn serves(&self) -> bool {
        self.workers.iter().any(|worker| worker.stage == Stage::Serving)
    }

    pub(super) fn is_starting(&self) -> bool {
        self.workers.iter().any(|worker| worker.stage == Stage::Starting)
    }

    /// Whether a worker of that generation is starting.
    pub(super) fn starts(&self, generation: u32) -> bool {
        self.workers.iter().any(|worker| worker.stage == Stage::Starting && worker.generation == generation)
    }

    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let at = self.workers.iter().position(|worker| worker.id == id)?;
        Some(self.workers.remove(at))
    }

    pub(super) fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    /// The worker `id` serves now, so the slot's other workers leave. Returns the workers to send a command to.
    pub(super) fn replace(&mut self, id: WorkerId, deadline: Instant) -> Vec<WorkerId> {
        let others = self.workers.iter_mut().filter(|w| w.id != id && w.stage != Stage::Leaving);
        others.map(|worker| (worker.leave(deadline), worker.id).1).collect()
    }

    /// All workers leave. Returns the workers to send a command to. Workers already leaving are included: a shutdown
    /// overrides a drain.
    pub(super) fn leave(&mut self, now: Instant, drain_timeout: Duration) -> Vec<WorkerId> {
        self.wait_until = None;
        for worker in &mut self.workers {
            match worker.stage {
                // A starting worker has no connections yet.
                Stage::Starting => worker.leave(now + GRACE),
                Stage::Serving => worker.leave(now + drain_timeout + GRACE),
                Stage::Leaving => {}
            }
        }
        self.workers.iter().map(|worker| worker.id).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.workers.iter().filter_map(Worker::due).chain(self.wait_until).min()
    }
}
