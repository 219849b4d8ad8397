//! The decisions: events and time in, actions out. No clock, no process, no thread in here.
//!
//! Each slot has one serving worker; a second may be starting in its place or leaving it, so there are never more
//! than twice the configured number of workers. Replacements (for a reload or a spent worker) run one at a time:
//! the next starts once the previous one serves.

mod budget;
mod events;
mod force;
mod slot;
mod spawn;

use std::time::{Duration, Instant};

use crate::control::{Command, Status};
use crate::policy::Policy;
pub use events::{Action, Event, Notice, Outcome, WorkerId};
use slot::{Farewell, Slot, Stage};

/// How much later the supervisor's deadlines are than the worker's.
const GRACE: Duration = Duration::from_secs(2);

/// How long a worker has after SIGTERM, and after SIGKILL.
const FORCE_AFTER: Duration = Duration::from_secs(2);

/// Where the supervisor is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Preparing,
    Starting,
    Running,
    Stopping(Outcome),
    Ended,
}

/// A reload in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reload {
    Preparing { to: u32 },
    Rolling { to: u32, proven: bool },
}

/// The state of a supervisor.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    random: fastrand::Rng,
    phase: Phase,
    slots: Vec<Slot>,
    /// Removed slots that still have workers.
    leaving: Vec<Slot>,
    /// The generation of new workers outside a reload.
    generation: u32,
    /// Generations prepared and not yet released.
    generations: Vec<u32>,
    /// Generations being released.
    releasing: Vec<u32>,
    reload: Option<Reload>,
    /// Another reload was requested during this one.
    reload_again: bool,
    next_generation: u32,
    next_worker: WorkerId,
    actions: Vec<Action>,
}

impl Machine {
    /// A supervisor that has done nothing yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            random: fastrand::Rng::with_seed(policy.seed),
            slots: (0..policy.workers.max(1)).map(|number| Slot::new(number as u32)).collect(),
            policy,
            phase: Phase::Preparing,
            leaving: Vec::new(),
            generation: 0,
            generations: Vec::new(),
            releasing: Vec::new(),
            reload: None,
            reload_again: false,
            next_generation: 1,
            next_worker: 0,
            actions: Vec::new(),
        }
    }

    /// The first actions.
    pub fn start(&mut self) -> Vec<Action> {
        vec![Action::Prepare(0)]
    }

    /// The number of slots: workers that should run.
    pub fn worker_count(&self) -> usize {
        self.slots.len()
    }

    /// When to send [`Event::Tick`]. `None` while nothing will become due.
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Ended {
            return None;
        }
        self.slots.iter().chain(&self.leaving).filter_map(Slot::deadline).min()
    }

    /// Handles one event and returns the actions to perform.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        if self.phase != Phase::Ended {
            self.take(now, event);
            self.expire(now);
            self.step(now);
        }
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, now: Instant, event: Event) {
        match event {
            Event::Prepared(generation) => self.prepared(generation),
            Event::NotPrepared(generation, why) => self.not_prepared(now, generation, why),
            Event::Released(generation) => {
                self.releasing.retain(|other| *other != generation);
            }
            Event::Status(worker, status) => self.status(now, worker, status),
            Event::Ended(worker, how) => self.ended(now, worker, &how),
            Event::Reload => self.reload_again = true,
            Event::ScaleUp if self.is_up() => self.scale_up(),
            Event::ScaleDown if self.is_up() && self.slots.len() > 1 => self.scale_down(now),
            Event::ScaleTo(count) if self.is_up() => {
                while self.slots.len() < count {
                    self.scale_up();
                }
                while self.slots.len() > count.max(1) {
                    self.scale_down(now);
                }
            }
            Event::Request(request) => {
                let workers = self.slots.iter().chain(&self.leaving).flat_map(|slot| &slot.workers);
                self.actions.extend(workers.map(|worker| Action::Request(worker.id, request)));
            }
            Event::Shutdown => self.stop(now, Outcome::Stopped),
            Event::ScaleUp | Event::ScaleDown | Event::ScaleTo(_) | Event::Tick => {}
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Starting | Phase::Running)
    }

    fn scale_up(&mut self) {
        let taken = |number: &u32| self.slots.iter().chain(&self.leaving).any(|slot| slot.number == *number);
        if let Some(number) = (0..).find(|number| !taken(number)) {
            self.slots.push(Slot::new(number));
        }
        self.notify(Notice::Scaled(self.slots.len()));
    }

    /// Removes the least useful slot: a given-up one first, then one that does not serve, then the last.
    fn scale_down(&mut self, now: Instant) {
        let missed = |slot: &Slot| (slot.serves(), !slot.given_up);
        let least = (0..self.slots.len()).rev().min_by_key(|at| missed(&self.slots[*at]));
        if let Some(at) = least {
            let mut slot = self.slots.remove(at);
            // Close the listeners before the worker drains: no connection can arrive in between.
            self.actions.push(Action::CloseSlot(slot.number));
            let told = slot.leave(now, self.policy.drain_timeout);
            self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::Drain)));
            self.leaving.push(slot);
        }
        self.notify(Notice::Scaled(self.slots.len()));
    }

    /// The generation that a rolling reload replaces workers with.
    fn rolling_to(&self) -> Option<u32> {
        match self.reload {
            Some(Reload::Rolling { to, .. }) => Some(to),
            _ => None,
        }
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push(Action::Notify(notice));
    }

    fn prepared(&mut self, generation: u32) {
        self.generations.push(generation);
        match self.reload {
            Some(Reload::Preparing { to }) if to == generation => {
                self.reload = Some(Reload::Rolling { to, proven: false });
                // A reload may fix the cause: slots that were given up get another chance.
                for slot in &mut self.slots {
                    slot.renew();
                }
            }
            _ if self.phase == Phase::Preparing => self.phase = Phase::Starting,
            _ => {}
        }
    }

    fn not_prepared(&mut self, now: Instant, generation: u32, why: String) {
        match self.reload {
            Some(Reload::Preparing { to }) if to == generation => {
                self.reload = None;
                self.notify(Notice::ReloadFailed(why));
            }
            _ => self.stop(now, Outcome::StartupFailed(why)),
        }
    }

    fn slot_of(&mut self, id: WorkerId) -> Option<&mut Slot> {
        let has = |slot: &&mut Slot| slot.workers.iter().any(|worker| worker.id == id);
        self.slots.iter_mut().chain(&mut self.leaving).find(has)
    }

    fn status(&mut self, now: Instant, id: WorkerId, status: Status) {
        if let Status::Answer { text } = status {
            let slot = self.slot_of(id).map(|slot| slot.number);
            if let Some(slot) = slot {
                self.notify(Notice::Answer { slot, text });
            }
            return;
        }
        let Policy { startup_timeout, drain_timeout, shutdown_timeout, healthcheck, max_rss, .. } =
            self.policy;
        let drained = now + drain_timeout + GRACE;
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.worker(id) else { return };
        let (was, generation) = (worker.stage, worker.generation);
        match (status, was) {
            (Status::Serving, Stage::Starting) => {
                worker.stage = Stage::Serving;
                worker.deadline = None;
                worker.health = healthcheck.map(|timeout| now + timeout + GRACE);
                let told = slot.replace(id, drained);
                self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::ReloadDrain)));
                if let Some(Reload::Rolling { to, proven }) = &mut self.reload
                    && *to == generation
                {
                    *proven = true;
                    self.generation = generation;
                }
            }
            (Status::Started, Stage::Starting) => {
                worker.deadline = Some(now + startup_timeout + 2 * GRACE);
            }
            (Status::Heartbeat(heartbeat), Stage::Serving) => {
                let recovered = worker.heartbeat(now, heartbeat, healthcheck, max_rss);
                if recovered {
                    self.notify(Notice::Recovered { slot: number });
                }
            }
            (Status::Error { detail }, Stage::Starting | Stage::Serving) => {
                // The worker ends by itself, which may take a while; respond to the failure now.
                worker.leave(now + FORCE_AFTER + GRACE);
                self.failed(now, number, generation, was, &detail);
            }
            (Status::Draining, Stage::Leaving) => worker.accepts = false,
            (Status::Draining, Stage::Serving) => {
                worker.accepts = false;
                worker.leave(drained);
                self.lost(now, number, "it was asked to stop, and not by this server");
            }
            (said @ (Status::Idle | Status::Stopped), Stage::Leaving) if !worker.terminated => {
                let farewell = if said == Status::Idle { Farewell::Idle } else { Farewell::Stopped };
                worker.accepts = false;
                // Repeating a status does not extend the deadline.
                if farewell > worker.farewell {
                    worker.farewell = farewell;
                    worker.deadline = Some(now + shutdown_timeout + GRACE);
                }
            }
            _ => {}
        }
    }

    /// A worker has ended.
    fn ended(&mut self, now: Instant, id: WorkerId, how: &str) {
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.remove(id) else { return };
        if worker.stage != Stage::Leaving {
            self.failed(now, number, worker.generation, worker.stage, how);
        }
    }

    /// A starting or serving worker has failed.
    fn failed(&mut self, now: Instant, number: u32, generation: u32, was: Stage, how: &str) {
        if self.phase == Phase::Starting && was == Stage::Starting {
            self.stop(now, Outcome::StartupFailed(how.to_owned()));
            return;
        }
        if !self.is_up() {
            return;
        }
        if self.reload == Some(Reload::Rolling { to: generation, proven: false }) {
            self.reload = None;
            self.notify(Notice::ReloadFailed(how.to_owned()));
            if self.slots.iter().any(|slot| slot.number == number && slot.serves()) {
                return;
            }
        }
        self.lost(now, number, how);
    }

    /// A slot has lost its worker or that worker's replacement.
    fn lost(&mut self, now: Instant, number: u32, how: &str) {
        let (limit, window) = (self.policy.respawn_limit, self.policy.respawn_window);
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.number == number) else { return };
        let (slot_number, how) = (slot.number, how.to_owned());
        if slot.is_starting() {
            // Its replacement is already starting.
            self.notify(Notice::Lost { slot: slot_number, how, wait: Duration::ZERO });
            return;
        }
        let wait = slot.budget.take(now, limit, window);
        let notice = if slot.serves() {
            slot.wait_until = Some(now + wait.unwrap_or(window));
            Notice::NotReplaced { slot: slot_number, how }
        } else if let Some(wait) = wait {
            slot.wait_until = Some(now + wait);
            Notice::Lost { slot: slot_number, how, wait }
        } else {
            slot.given_up = true;
            self.actions.push(Action::CloseSlot(slot_number));
            if self.phase == Phase::Starting {
                self.stop(now, Outcome::StartupFailed(how.clone()));
            }
            Notice::GivenUp { slot: slot_number, how }
        };
        self.notify(notice);
    }

    fn stop(&mut self, now: Instant, outcome: Outcome) {
        if matches!(self.phase, Phase::Stopping(_) | Phase::Ended) {
            return;
        }
        self.phase = Phase::Stopping(outcome);
        self.reload = None;
        for slot in &mut self.slots {
            let told = slot.leave(now, self.policy.drain_timeout);
            self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::Shutdown)));
        }
    }

    /// Derives further actions from the current state.
    fn step(&mut self, now: Instant) {
        self.leaving.retain(|slot| !slot.workers.is_empty());
        if matches!(self.phase, Phase::Starting | Phase::Running) {
            self.begin_reload();
            self.fill(now);
            self.replace(now);
            if self.phase == Phase::Starting && self.slots.iter().all(Slot::serves) {
                self.phase = Phase::Running;
                self.notify(Notice::Ready);
                self.begin_reload();
            }
            self.end_reload();
            // A pending reload gives every slot another chance.
            let reloads = self.reload.is_some() || self.reload_again;
            if !reloads && self.slots.iter().all(|slot| slot.given_up && slot.workers.is_empty()) {
                self.stop(now, Outcome::GivenUp);
            }
        }
        self.release();
        if let Phase::Stopping(outcome) = &self.phase
            && self.slots.iter().all(|slot| slot.workers.is_empty())
            && self.leaving.is_empty()
            && self.releasing.is_empty()
        {
            self.actions.push(Action::Exit(outcome.clone()));
            self.phase = Phase::Ended;
        }
    }

    /// Releases generations that no worker needs any more.
    fn release(&mut self) {
        let stopping = matches!(self.phase, Phase::Stopping(_));
        let rolling_to = self.rolling_to();
        for generation in std::mem::take(&mut self.generations) {
            let wanted = !stopping && (generation == self.generation || Some(generation) == rolling_to);
            let mut workers = self.slots.iter().chain(&self.leaving).flat_map(|slot| &slot.workers);
            if wanted || workers.any(|worker| worker.generation == generation) {
                self.generations.push(generation);
            } else {
                self.releasing.push(generation);
                self.actions.push(Action::Release(generation));
            }
        }
    }
}
