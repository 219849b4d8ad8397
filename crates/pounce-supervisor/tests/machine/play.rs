//! A supervisor's life with workers that do as they please, and a note of every rule it breaks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pounce_supervisor::{Action, Event, Machine, Notice, Policy, Status, WorkerId};
use proptest::sample::Index;

use crate::harness::idle;

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// More workers than twice those asked for, or than two in a slot.
    Crowd,
    /// A restart that the budget does not have.
    Budget,
    SpawnAfterStop,
    /// No exit, though all the time it can take has passed.
    Endless,
    /// A stop at once that is none.
    NotAtOnce,
    /// A deadline that is past once it was seen to.
    StaysDue,
    AfterExit,
    /// A generation given back early, twice, never, or without having been prepared.
    Release,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes, and ticks come when they are due.
    Wait(Duration),
    /// Time passes, and no tick comes.
    Oversleep(Duration),
    Says(Index, Status),
    Ends(Index),
    /// Every worker that starts serves.
    AllServe,
    /// Every worker that was told to end does.
    AllEndAsTold,
    /// One that has ended speaks.
    Stray(Index),
    /// What is being prepared is, or fails.
    Prepared(bool),
    Released,
    Reload,
    ScaleUp,
    ScaleDown,
}

#[derive(Debug)]
struct Worker {
    slot: u32,
    generation: u32,
    spawned: Instant,
    lives: bool,
    serves: bool,
    /// It was told to end, or ends by itself.
    leaves: bool,
    /// Its slot was given back.
    apart: bool,
    /// The supervisor has reported that it does not end.
    abandoned: bool,
}

/// What is known of a slot's restarts.
#[derive(Debug, Default)]
struct Budget {
    /// When a loss was, that a restart followed.
    restarts: Vec<Instant>,
    /// A loss that none has followed yet.
    lost: Option<Instant>,
    given_up: bool,
}

pub(crate) struct Play {
    machine: Machine,
    policy: Policy,
    now: Instant,
    workers: BTreeMap<WorkerId, Worker>,
    budgets: BTreeMap<u32, Budget>,
    preparing: Vec<u32>,
    releasing: Vec<u32>,
    /// Every generation that was prepared, and how often it was given back.
    prepared: BTreeMap<u32, u32>,
    stopped: bool,
    at_once: bool,
    exited: bool,
    broken: Vec<(Rule, String)>,
}

impl Play {
    pub(crate) fn new(policy: Policy) -> Self {
        let mut machine = Machine::new(policy.clone());
        let started = machine.start();
        assert_eq!(started, [Action::Prepare(0)]);
        Self {
            machine,
            policy,
            now: Instant::now(),
            workers: BTreeMap::new(),
            budgets: BTreeMap::new(),
            preparing: vec![0],
            releasing: Vec::new(),
            prepared: BTreeMap::new(),
            stopped: false,
            at_once: false,
            exited: false,
            broken: Vec::new(),
        }
    }

    pub(crate) fn broken(&self, rule: Rule) -> Vec<String> {
        self.broken.iter().filter(|(broken, _)| *broken == rule).map(|(_, how)| how.clone()).collect()
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(time) => self.wait(*time),
            Step::Oversleep(time) => self.now += *time,
            Step::Says(index, status) => {
                if let Some(worker) = self.pick(index, true) {
                    self.says(worker, status.clone());
                }
            }
            Step::Ends(index) => {
                if let Some(worker) = self.pick(index, true) {
                    self.ends(worker);
                }
            }
            Step::AllServe => {
                for worker in self.all(|worker| worker.lives && !worker.serves && !worker.leaves) {
                    self.says(worker, Status::Serving);
                    self.says(worker, Status::Heartbeat(idle()));
                }
            }
            Step::AllEndAsTold => {
                for worker in self.all(|worker| worker.lives && worker.leaves) {
                    self.ends(worker);
                }
            }
            Step::Stray(index) => {
                let worker = self.pick(index, false).unwrap_or(4711);
                self.tell(Event::Status(worker, Status::Serving));
                self.tell(Event::Ended(worker, "long ago".into()));
            }
            Step::Prepared(ready) => self.prepare(*ready),
            Step::Released => self.release(),
            Step::Reload => drop(self.tell(Event::Reload)),
            Step::ScaleUp => {
                let slot = self.machine.worker_count() as u32;
                self.budgets.remove(&slot);
                self.tell(Event::ScaleUp);
            }
            Step::ScaleDown => self.scale_down(),
        }
    }

    pub(crate) fn shutdown(&mut self) {
        self.stopped = true;
        self.tell(Event::Shutdown);
    }

    pub(crate) fn shutdown_now(&mut self) {
        let exited = std::mem::replace(&mut self.at_once, true) || self.exited;
        let actions = self.tell(Event::ShutdownNow);
        let exits = actions.iter().any(|action| matches!(action, Action::Exit(_)));
        let spared = self.all(|worker| worker.lives && !worker.abandoned);
        let spared = spared.iter().any(|worker| !actions.contains(&Action::Kill(*worker)));
        if !exited && (!exits || self.policy.killable && spared) {
            self.breaks(Rule::NotAtOnce, format!("{actions:?}"));
        }
    }

    /// Waits for the end, by when it must have come.
    pub(crate) fn finish(&mut self, workers_end: bool, prepares: bool) {
        let time = self.policy.drain_timeout + self.policy.shutdown_timeout + Duration::from_secs(20);
        let end = self.now + time;
        loop {
            if workers_end {
                self.step(&Step::AllEndAsTold);
            }
            if prepares {
                self.prepare(true);
            }
            while !self.releasing.is_empty() {
                self.release();
            }
            if self.exited {
                break;
            }
            match self.machine.deadline() {
                Some(at) if at <= end => self.tick_at(at),
                _ => break,
            }
        }
        if !self.exited {
            self.breaks(Rule::Endless, format!("no exit after {time:?}"));
        } else if !self.at_once {
            let kept: Vec<_> = self.prepared.iter().filter(|(_, times)| **times != 1).collect();
            if !kept.is_empty() {
                let how = format!("generations, and how often they were given back: {kept:?}");
                self.breaks(Rule::Release, how);
            }
        }
    }

    fn breaks(&mut self, rule: Rule, how: String) {
        self.broken.push((rule, how));
    }

    fn all(&self, wanted: impl Fn(&Worker) -> bool) -> Vec<WorkerId> {
        self.workers.iter().filter(|(_, worker)| wanted(worker)).map(|(id, _)| *id).collect()
    }

    fn pick(&self, index: &Index, lives: bool) -> Option<WorkerId> {
        let found = self.all(|worker| worker.lives == lives);
        (!found.is_empty()).then(|| *index.get(&found))
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
            self.tick_at(at);
            if self.machine.deadline().is_some_and(|next| next <= self.now) {
                break;
            }
        }
        self.now = end;
    }

    fn tick_at(&mut self, at: Instant) {
        // One that stays due is noted already: time goes on.
        self.now = self.now.max(at);
        self.tell(Event::Tick);
        if self.machine.deadline().is_some_and(|next| next <= self.now) {
            self.now += Duration::from_secs(1);
        }
    }

    fn says(&mut self, id: WorkerId, status: Status) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let was_leaving = worker.leaves;
        let ends = match status {
            Status::Error { .. } => true,
            Status::Draining => worker.serves,
            _ => false,
        };
        worker.leaves |= ends;
        if status == Status::Serving && !was_leaving {
            worker.serves = true;
            self.budgets.entry(worker.slot).or_default().lost = None;
        }
        let slot = worker.slot;
        if ends && !was_leaving {
            self.loses(slot);
        }
        self.tell(Event::Status(id, status));
    }

    fn ends(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.lives = false;
        let (slot, unasked) = (worker.slot, !worker.leaves);
        if unasked {
            self.loses(slot);
        }
        self.tell(Event::Ended(id, "exit code 9".into()));
    }

    fn loses(&mut self, slot: u32) {
        self.budgets.entry(slot).or_default().lost = Some(self.now);
    }

    fn prepare(&mut self, ready: bool) {
        let Some(generation) = self.preparing.pop() else { return };
        if self.exited {
            return;
        }
        if ready {
            self.prepared.insert(generation, 0);
            self.budgets.clear();
            self.tell(Event::Prepared(generation));
        } else {
            self.tell(Event::NotPrepared(generation, "not today".into()));
        }
    }

    fn release(&mut self) {
        if let Some(generation) = self.releasing.pop() {
            self.tell(Event::Released(generation));
        }
    }

    fn scale_down(&mut self) {
        let before = self.machine.worker_count();
        let slot = before as u32 - 1;
        let actions = self.machine.handle(self.now, Event::ScaleDown);
        if self.machine.worker_count() < before {
            for worker in self.workers.values_mut().filter(|worker| worker.slot == slot) {
                worker.apart = true;
            }
            self.budgets.remove(&slot);
        }
        self.observe(&actions);
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        let actions = self.machine.handle(self.now, event);
        self.observe(&actions);
        actions
    }

    fn observe(&mut self, actions: &[Action]) {
        for action in actions {
            if self.exited {
                self.breaks(Rule::AfterExit, format!("{action:?} after the exit"));
            }
            self.note(action);
        }
        let counted: Vec<_> =
            self.workers.values().filter(|w| w.lives && !w.apart && !w.abandoned).map(|w| w.slot).collect();
        let crowded = counted.iter().any(|slot| counted.iter().filter(|other| *other == slot).count() > 2);
        if crowded || counted.len() > 2 * self.machine.worker_count() {
            let count = self.machine.worker_count();
            self.breaks(Rule::Crowd, format!("{count} asked for, in these slots: {counted:?}"));
        }
        if !self.workers.values().any(|w| w.apart && w.lives)
            && self.machine.deadline().is_some_and(|at| at <= self.now || self.exited)
        {
            self.breaks(Rule::StaysDue, format!("still due after {actions:?}"));
        }
    }

    fn note(&mut self, action: &Action) {
        match action {
            Action::Prepare(generation) => self.preparing.push(*generation),
            Action::Release(generation) => self.note_release(*generation),
            Action::Spawn { worker, slot, generation, .. } => self.note_spawn(*worker, *slot, *generation),
            Action::Send(worker, _) => self.note_told(*worker),
            Action::Terminate(worker) | Action::Kill(worker) => {
                if let Some(was) = self.workers.get(worker).filter(|worker| !worker.leaves) {
                    self.loses(was.slot);
                }
                self.note_told(*worker);
            }
            Action::Notify(Notice::GivenUp { slot, .. }) => {
                self.budgets.entry(*slot).or_default().given_up = true;
            }
            Action::Notify(Notice::ReloadFailed(_)) => self.note_reload_failed(),
            Action::Notify(Notice::Unstoppable { slot }) => self.note_abandoned(*slot),
            Action::CloseSlot(_) | Action::Notify(_) => {}
            Action::Exit(_) => self.exited = true,
        }
    }

    fn note_told(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.leaves = true;
        }
    }

    /// That costs a slot nothing whose old worker serves.
    fn note_reload_failed(&mut self) {
        for (slot, budget) in &mut self.budgets {
            let serves = |w: &Worker| w.slot == *slot && w.lives && w.serves && !w.leaves;
            budget.lost.take_if(|at| *at == self.now && self.workers.values().any(serves));
        }
    }

    fn note_release(&mut self, generation: u32) {
        let lives = |w: &Worker| w.generation == generation && w.lives && !w.abandoned;
        if !self.all(lives).is_empty() {
            self.breaks(Rule::Release, format!("{generation} has workers"));
        }
        match self.prepared.get_mut(&generation) {
            Some(times) => *times += 1,
            None => self.breaks(Rule::Release, format!("{generation} was not prepared")),
        }
        self.releasing.push(generation);
    }

    fn note_spawn(&mut self, id: WorkerId, slot: u32, generation: u32) {
        if self.stopped {
            self.breaks(Rule::SpawnAfterStop, format!("slot {slot}"));
        }
        let (limit, window) = (self.policy.respawn_limit, self.policy.respawn_window);
        let budget = self.budgets.entry(slot).or_default();
        // Once the whole window has passed, it is a first attempt again.
        if let Some(lost) = budget.lost.take().filter(|lost| self.now - *lost < window) {
            budget.restarts.retain(|at| lost - *at < window);
            budget.restarts.push(lost);
        }
        if budget.given_up || budget.restarts.len() > limit {
            let how = format!("slot {slot}: {budget:?} of {limit}");
            self.breaks(Rule::Budget, how);
        }
        let worker = Worker {
            slot,
            generation,
            spawned: self.now,
            lives: true,
            serves: false,
            leaves: false,
            apart: false,
            abandoned: false,
        };
        self.workers.insert(id, worker);
    }

    /// The notice does not say which worker of the slot: all count as left alone that it can mean.
    fn note_abandoned(&mut self, slot: u32) {
        for worker in self.workers.values_mut().filter(|w| w.slot == slot && w.lives) {
            let overdue = !worker.serves && self.now - worker.spawned >= self.policy.startup_timeout;
            if overdue && !worker.leaves {
                self.budgets.entry(slot).or_default().lost = Some(self.now);
            }
            worker.abandoned |= worker.leaves || overdue;
            worker.leaves |= overdue;
        }
    }
}
