//! One slot, and the workers in it: the one that serves, and one that starts or leaves.

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
    /// It was told to end, or ends by itself.
    Leaving,
}

/// What a worker says while it leaves.
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
    /// It may still accept connections: it has not said that it drains.
    pub(super) accepts: bool,
    /// When force is used.
    pub(super) deadline: Option<Instant>,
    /// When it counts as stuck.
    pub(super) health: Option<Instant>,
    /// When it has reached its age.
    pub(super) retire_at: Option<Instant>,
    pub(super) max_requests: Option<NonZeroU64>,
    /// Why it is to be replaced.
    pub(super) spent: Option<String>,
    /// That has been said.
    pub(super) spent_noted: bool,
    /// How far it has come in leaving.
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
    /// Nothing is spawned before this.
    pub(super) wait_until: Option<Instant>,
    pub(super) given_up: bool,
}

impl Worker {
    /// It ends, by `deadline` or by force.
    pub(super) fn leave(&mut self, deadline: Instant) {
        self.stage = Stage::Leaving;
        self.deadline = Some(deadline);
        self.health = None;
        self.retire_at = None;
    }

    /// Notes a sign of life. Says whether it was stuck until now.
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

    /// The first moment at which time alone changes something.
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

    /// Begins anew, as if nothing had ever failed here.
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

    /// Whether a worker of that generation starts.
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

    /// The worker `id` serves now: the others leave. Returns those that have to be told.
    pub(super) fn replace(&mut self, id: WorkerId, deadline: Instant) -> Vec<WorkerId> {
        let others = self.workers.iter_mut().filter(|w| w.id != id && w.stage != Stage::Leaving);
        others.map(|worker| (worker.leave(deadline), worker.id).1).collect()
    }

    /// All workers leave. Returns who has to be told: those that leave already too, for a stop is more than
    /// a drain.
    pub(super) fn leave(&mut self, now: Instant, drain_timeout: Duration) -> Vec<WorkerId> {
        self.wait_until = None;
        for worker in &mut self.workers {
            match worker.stage {
                // It has accepted nothing yet.
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
