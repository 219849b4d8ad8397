//! A supervisor with workers that behave arbitrarily, and a record of every rule it breaks.

mod rules;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pounce_supervisor::{Action, Event, Machine, Policy, Status, WorkerId};
use proptest::sample::Index;

use crate::harness::idle;
use rules::Budget;
pub(crate) use rules::Rule;

/// One thing that happens to the supervisor.
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
    /// Every worker that was told to end ends.
    AllEndAsTold,
    /// A worker that has ended sends a status.
    Stray(Index),
    /// The generation being prepared becomes ready, or fails.
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
    lives: bool,
    serves: bool,
    /// It ends, by command or by itself.
    leaves: bool,
    /// Its slot was removed.
    apart: bool,
    /// The supervisor has reported that it does not end.
    abandoned: bool,
}

pub(crate) struct Play {
    machine: Machine,
    policy: Policy,
    now: Instant,
    workers: BTreeMap<WorkerId, Worker>,
    budgets: BTreeMap<u32, Budget>,
    preparing: Vec<u32>,
    releasing: Vec<u32>,
    /// Every prepared generation, and how often it was released.
    prepared: BTreeMap<u32, u32>,
    ready: bool,
    stopped: bool,
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
            ready: false,
            stopped: false,
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
                self.tell(Event::ScaleUp);
            }
            Step::ScaleDown => self.scale_down(),
        }
    }

    pub(crate) fn shutdown(&mut self) {
        self.stopped = true;
        self.tell(Event::Shutdown);
    }

    /// From now on every worker obeys, until nothing changes any more. Then all slots must be served alike.
    pub(crate) fn settle(&mut self) {
        let end = self.now + Duration::from_secs(600);
        loop {
            self.prepare(true);
            self.release();
            self.step(&Step::AllServe);
            self.step(&Step::AllEndAsTold);
            for worker in self.all(|worker| worker.lives && worker.serves && !worker.leaves) {
                self.tell(Event::Status(worker, Status::Heartbeat(idle())));
            }
            // Let time pass only when no worker has anything left to do now.
            let starting = self.all(|worker| worker.lives && !worker.serves && !worker.leaves);
            if !self.preparing.is_empty() || !self.releasing.is_empty() || !starting.is_empty() {
                continue;
            }
            match self.machine.deadline() {
                Some(at) if at <= end => self.tick_at(at),
                _ => break,
            }
        }
        if self.exited {
            return;
        }
        let serving: Vec<_> = self.workers.values().filter(|w| w.lives && w.serves && !w.leaves).collect();
        let given_up = self.budgets.values().filter(|budget| budget.given_up).count();
        let mut slots: Vec<u32> = serving.iter().map(|worker| worker.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let once = slots.len() == serving.len() && serving.len() + given_up == self.machine.worker_count();
        let alike = serving.windows(2).all(|two| two[0].generation == two[1].generation);
        if !once || !alike || !self.ready {
            let how = format!("ready: {}, serving: {serving:?}", self.ready);
            self.breaks(Rule::Unsettled, how);
        }
    }

    /// Waits for the exit, which must come within the policy's timeouts.
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
            return;
        }
        let kept: Vec<_> = self.prepared.iter().filter(|(_, times)| **times != 1).collect();
        if !kept.is_empty() {
            let how = format!("generations, and how often they were given back: {kept:?}");
            self.breaks(Rule::Release, how);
        }
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
        // A deadline that stays due is already recorded: time goes on.
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
        let actions = self.machine.handle(self.now, Event::ScaleDown);
        let closed = actions.iter().find_map(|action| match action {
            Action::CloseSlot(slot) => Some(*slot),
            _ => None,
        });
        if let Some(slot) = closed.filter(|_| self.machine.worker_count() < before) {
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
}
