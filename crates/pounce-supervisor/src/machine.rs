//! What is decided: events and time in, actions out. No clock, no process, no thread in here.
//!
//! Each slot has one worker that serves; a second one may be starting in its place or leaving it, so there are
//! never more workers than twice those asked for. Replacements (a reload, a worker that is spent) are taken
//! one at a time: the next begins when the one before serves.

mod budget;
mod slot;

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::control::{Command, Status};
use crate::policy::Policy;
use slot::{Farewell, Slot, Stage, Worker};

/// How much later than the worker's own deadlines the supervisor's are.
const GRACE: Duration = Duration::from_secs(2);

/// How long a worker has after SIGTERM, and after SIGKILL.
const FORCE_AFTER: Duration = Duration::from_secs(2);

/// Names one worker, from its spawn to its end. Never used again.
pub type WorkerId = u64;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A generation is ready to be spawned from.
    Prepared(u32),
    /// It cannot be had, and why.
    NotPrepared(u32, String),
    /// What a generation had is given back.
    Released(u32),
    /// A worker says something.
    Status(WorkerId, Status),
    /// A worker has ended, or could not be started, and how that went.
    Ended(WorkerId, String),
    /// Replace all workers by ones of a new generation.
    Reload,
    /// One worker more.
    ScaleUp,
    /// One worker less.
    ScaleDown,
    /// Drain and stop.
    Shutdown,
    /// Stop at once.
    ShutdownNow,
    /// Time has passed: [`Machine::deadline`] is due.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make ready what all workers of a generation share; answered by [`Event::Prepared`] or
    /// [`Event::NotPrepared`].
    Prepare(u32),
    /// Give that back: no worker of the generation is left. Answered by [`Event::Released`].
    Release(u32),
    /// Start a worker.
    Spawn {
        /// What it is to be known by.
        worker: WorkerId,
        /// The slot it works in, from 0.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Requests after which it is to give a heartbeat, to be replaced.
        max_requests: Option<NonZeroU64>,
    },
    /// Tell a worker something.
    Send(WorkerId, Command),
    /// Ask a process to end (SIGTERM).
    Terminate(WorkerId),
    /// End a process (SIGKILL).
    Kill(WorkerId),
    /// Close what a slot listens on alone: nobody accepts there any more.
    CloseSlot(u32),
    /// Tell the operator.
    Notify(Notice),
    /// The supervisor is done.
    Exit(Outcome),
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Every worker serves.
    Ready,
    /// Every worker is of the new generation.
    Reloaded,
    /// The new generation did not start; the old one stays.
    ReloadFailed(String),
    /// A worker has ended unasked.
    Lost {
        /// Its slot.
        slot: u32,
        /// How it ended.
        how: String,
        /// When the next one starts.
        wait: Duration,
    },
    /// A worker has ended too often and is not restarted any more.
    GivenUp {
        /// Its slot.
        slot: u32,
        /// How it ended the last time.
        how: String,
    },
    /// A worker is replaced because it has served its time.
    Spent {
        /// Its slot.
        slot: u32,
        /// What it has used up.
        why: String,
    },
    /// A replacement did not start; the worker stays.
    NotReplaced {
        /// Its slot.
        slot: u32,
        /// What went wrong.
        how: String,
    },
    /// A busy worker has been silent for too long.
    Stuck {
        /// Its slot.
        slot: u32,
    },
    /// It gives signs of life again.
    Recovered {
        /// Its slot.
        slot: u32,
    },
    /// A worker does not end, and cannot be made to.
    Unstoppable {
        /// Its slot.
        slot: u32,
    },
    /// The number of workers has changed.
    Scaled(usize),
}

/// How a supervisor's life ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Stopped,
    /// A worker could not be started at the beginning, and why.
    StartupFailed(String),
    /// Every slot was given up.
    GivenUp,
}

/// Where the supervisor is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Preparing,
    Starting,
    Running,
    Stopping(Outcome),
    Ended,
}

/// A new generation on its way.
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
    /// Slots that are left and still have workers.
    leaving: Vec<Slot>,
    /// What workers are spawned of while nothing is reloaded.
    generation: u32,
    /// Prepared and not yet released.
    generations: Vec<u32>,
    /// Being released.
    releasing: Vec<u32>,
    reload: Option<Reload>,
    /// Another reload was asked for meanwhile.
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

    /// What is to be done first.
    pub fn start(&mut self) -> Vec<Action> {
        vec![Action::Prepare(0)]
    }

    /// How many workers are asked for.
    pub fn worker_count(&self) -> usize {
        self.slots.len()
    }

    /// When time alone is an event: [`Event::Tick`] is wanted then. `None` while nothing is due ever.
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Ended {
            return None;
        }
        self.slots.iter().chain(&self.leaving).filter_map(Slot::deadline).min()
    }

    /// Takes one event in, and says what is to be done.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        if self.phase != Phase::Ended {
            self.take(now, event);
        }
        if self.phase != Phase::Ended {
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
            Event::Shutdown => self.stop(now, Outcome::Stopped),
            Event::ShutdownNow => {
                let workers = self.slots.iter().chain(&self.leaving).flat_map(|slot| &slot.workers);
                if self.policy.killable {
                    self.actions.extend(workers.map(|worker| Action::Kill(worker.id)));
                }
                self.exit(match &self.phase {
                    Phase::Stopping(outcome) => outcome.clone(),
                    _ => Outcome::Stopped,
                });
            }
            Event::ScaleUp | Event::ScaleDown | Event::Tick => {}
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

    /// Gives back the slot that is missed least: one that was given up, one that serves nobody, the last.
    fn scale_down(&mut self, now: Instant) {
        let missed = |slot: &Slot| (slot.serves(), !slot.given_up);
        let least = (0..self.slots.len()).rev().min_by_key(|at| missed(&self.slots[*at]));
        if let Some(at) = least {
            let mut slot = self.slots.remove(at);
            // First the queue, then who accepts from it: nothing new can come in between.
            self.actions.push(Action::CloseSlot(slot.number));
            let told = slot.leave(now, self.policy.drain_timeout);
            self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::Drain)));
            self.leaving.push(slot);
        }
        self.notify(Notice::Scaled(self.slots.len()));
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push(Action::Notify(notice));
    }

    fn prepared(&mut self, generation: u32) {
        self.generations.push(generation);
        match self.reload {
            Some(Reload::Preparing { to }) if to == generation => {
                self.reload = Some(Reload::Rolling { to, proven: false });
                // Whoever reloads has mended something: what was given up gets another chance.
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
        let policy = self.policy.clone();
        let drained = now + policy.drain_timeout + GRACE;
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.worker(id) else { return };
        let (was, generation) = (worker.stage, worker.generation);
        match (status, was) {
            (Status::Serving, Stage::Starting) => {
                worker.stage = Stage::Serving;
                worker.deadline = None;
                worker.health = policy.healthcheck.map(|timeout| now + timeout + GRACE);
                let told = slot.replace(id, drained);
                self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::ReloadDrain)));
                if let Some(Reload::Rolling { to, proven }) = &mut self.reload
                    && *to == generation
                {
                    *proven = true;
                    self.generation = generation;
                }
            }
            (Status::Heartbeat(heartbeat), Stage::Serving) => {
                let recovered = worker.heartbeat(now, heartbeat, &policy, GRACE);
                if recovered {
                    self.notify(Notice::Recovered { slot: number });
                }
            }
            (Status::Error { detail }, Stage::Starting | Stage::Serving) => {
                // It ends by itself. What that means is decided now: its end may take a while.
                worker.leave(now + FORCE_AFTER + GRACE);
                self.failed(now, number, generation, was, &detail);
            }
            (Status::Draining, Stage::Serving) => {
                worker.leave(drained);
                self.lost(now, number, "it was asked to stop, and not by this server");
            }
            (said @ (Status::Idle | Status::Stopped), Stage::Leaving) if !worker.terminated => {
                let farewell = if said == Status::Idle { Farewell::Idle } else { Farewell::Stopped };
                // Each once: whoever repeats himself does not live longer.
                if farewell > worker.farewell {
                    worker.farewell = farewell;
                    worker.deadline = Some(now + policy.shutdown_timeout + GRACE);
                }
            }
            _ => {}
        }
    }

    /// A worker is no more.
    fn ended(&mut self, now: Instant, id: WorkerId, how: &str) {
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.remove(id) else { return };
        if worker.stage != Stage::Leaving {
            self.failed(now, number, worker.generation, worker.stage, how);
        }
    }

    /// A worker fails, which was starting or serving.
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

    /// A slot has lost its worker, or the one that was to replace it.
    fn lost(&mut self, now: Instant, number: u32, how: &str) {
        let (limit, window) = (self.policy.respawn_limit, self.policy.respawn_window);
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.number == number) else { return };
        let (slot_number, how) = (slot.number, how.to_owned());
        if slot.is_starting() {
            // The one that was to replace it is on its way.
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
            slot.wait_until = None;
            let told = slot.leave(now, self.policy.drain_timeout);
            self.actions.extend(told.into_iter().map(|id| Action::Send(id, Command::Shutdown)));
        }
    }

    fn exit(&mut self, outcome: Outcome) {
        self.phase = Phase::Ended;
        self.actions.push(Action::Exit(outcome));
    }

    /// What is due has happened.
    fn expire(&mut self, now: Instant) {
        let due: Vec<WorkerId> = self
            .slots
            .iter()
            .chain(&self.leaving)
            .flat_map(|slot| &slot.workers)
            .filter(|worker| worker.is_due(now))
            .map(|worker| worker.id)
            .collect();
        for id in due {
            self.expire_worker(now, id);
        }
        for slot in &mut self.slots {
            slot.wait_until = slot.wait_until.filter(|at| *at > now);
        }
    }

    fn expire_worker(&mut self, now: Instant, id: WorkerId) {
        let (killable, drain_timeout) = (self.policy.killable, self.policy.drain_timeout);
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.worker(id) else { return };
        let (was, generation) = (worker.stage, worker.generation);
        if worker.retire_at.take_if(|at| *at <= now).is_some() {
            worker.spent.get_or_insert_with(|| "it has reached its age".to_owned());
        }
        if worker.health.take_if(|at| *at <= now).is_some() {
            worker.stuck = true;
            if killable {
                worker.leave(now);
            }
            self.notify(Notice::Stuck { slot: number });
            if killable {
                self.force(now, id);
                self.lost(now, number, "it was stuck");
            }
        } else if worker.deadline.is_some_and(|at| at <= now) {
            worker.stage = Stage::Leaving;
            if was == Stage::Starting && !killable {
                // All that can be done is to tell it.
                worker.leave(now + drain_timeout + GRACE);
                self.actions.push(Action::Send(id, Command::Drain));
            } else {
                self.force(now, id);
            }
            if was == Stage::Starting {
                let how = format!("it did not serve after {:?}", self.policy.startup_timeout);
                self.failed(now, number, generation, was, &how);
            }
        }
    }

    /// The next step of force against a worker that does not end.
    fn force(&mut self, now: Instant, id: WorkerId) {
        let killable = self.policy.killable;
        let Some(slot) = self.slot_of(id) else { return };
        let number = slot.number;
        let Some(worker) = slot.worker(id) else { return };
        worker.deadline = Some(now + FORCE_AFTER);
        if killable && !worker.terminated {
            worker.terminated = true;
            self.actions.push(Action::Terminate(id));
        } else if killable && !worker.killed {
            worker.killed = true;
            self.actions.push(Action::Kill(id));
        } else {
            // Nothing more can be done: it is not counted any more.
            slot.remove(id);
            self.notify(Notice::Unstoppable { slot: number });
        }
    }

    /// What the state asks for by now.
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
            if self.slots.iter().all(|slot| slot.given_up && slot.workers.is_empty()) {
                self.stop(now, Outcome::GivenUp);
            }
        }
        self.release();
        if let Phase::Stopping(outcome) = &self.phase
            && self.slots.iter().all(|slot| slot.workers.is_empty())
            && self.leaving.is_empty()
            && self.releasing.is_empty()
        {
            let outcome = outcome.clone();
            self.exit(outcome);
        }
    }

    fn begin_reload(&mut self) {
        if self.phase == Phase::Running && self.reload.is_none() && std::mem::take(&mut self.reload_again) {
            let to = self.next_generation;
            self.next_generation += 1;
            self.reload = Some(Reload::Preparing { to });
            self.actions.push(Action::Prepare(to));
        }
    }

    /// Spawns what is missing.
    fn fill(&mut self, now: Instant) {
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.given_up || slot.wait_until.is_some() || slot.has_live() || slot.workers.len() > 1 {
                continue;
            }
            match self.reload {
                Some(Reload::Rolling { to, proven: true }) => self.spawn(now, at, to),
                // The new generation proves itself with one worker: here, where none serves.
                Some(Reload::Rolling { to, .. }) if !self.slots.iter().any(|slot| slot.starts(to)) => {
                    self.spawn(now, at, to);
                }
                // Who knows whether the old one still works, where nobody serves.
                Some(Reload::Rolling { .. }) if !self.slots.iter().any(Slot::serves) => {}
                _ => self.spawn(now, at, self.generation),
            }
        }
    }

    /// Spawns one replacement, if one is wanted and none is on its way.
    fn replace(&mut self, now: Instant) {
        if self.phase != Phase::Running || self.slots.iter().any(Slot::is_starting) {
            return;
        }
        let rolling_to = match self.reload {
            Some(Reload::Rolling { to, .. }) => Some(to),
            _ => None,
        };
        let wanted =
            |worker: &Worker| rolling_to.is_some_and(|to| worker.generation != to) || worker.spent.is_some();
        let found = self.slots.iter().position(|slot| {
            slot.wait_until.is_none()
                && matches!(&slot.workers[..], [worker] if slot.serves() && wanted(worker))
        });
        let Some(at) = found else { return };
        let number = self.slots[at].number;
        let worker = &mut self.slots[at].workers[0];
        if rolling_to.is_none_or(|to| worker.generation == to)
            && let Some(why) = worker.spent.clone()
            && !std::mem::replace(&mut worker.spent_noted, true)
        {
            self.notify(Notice::Spent { slot: number, why });
        }
        self.spawn(now, at, rolling_to.unwrap_or(self.generation));
    }

    fn spawn(&mut self, now: Instant, at: usize, generation: u32) {
        let policy = &self.policy;
        let max_requests = policy
            .max_requests
            .map(|limit| limit.saturating_add(self.random.u64(0..=policy.max_requests_jitter)));
        let jitter = policy.lifetime_jitter.mul_f64(self.random.f64());
        let id = self.next_worker;
        self.next_worker += 1;
        let slot = &mut self.slots[at];
        slot.workers.push(Worker {
            id,
            generation,
            stage: Stage::Starting,
            deadline: Some(now + policy.startup_timeout + 2 * GRACE),
            health: None,
            retire_at: policy.lifetime.map(|lifetime| now + lifetime + jitter),
            max_requests,
            spent: None,
            spent_noted: false,
            farewell: Farewell::None,
            stuck: false,
            terminated: false,
            killed: false,
        });
        self.actions.push(Action::Spawn { worker: id, slot: slot.number, generation, max_requests });
    }

    fn end_reload(&mut self) {
        let Some(Reload::Rolling { to, proven: true }) = self.reload else { return };
        let is_old = |worker: &Worker| worker.stage != Stage::Leaving && worker.generation != to;
        if !self.slots.iter().flat_map(|slot| &slot.workers).any(is_old) {
            self.reload = None;
            self.notify(Notice::Reloaded);
            self.begin_reload();
        }
    }

    /// Releases generations that nobody needs any more.
    fn release(&mut self) {
        let stopping = matches!(self.phase, Phase::Stopping(_));
        let rolling_to = match self.reload {
            Some(Reload::Rolling { to, .. }) => Some(to),
            _ => None,
        };
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
