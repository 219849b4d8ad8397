//! A driver and its workers in simulated time: nothing sleeps, and the test gives every answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pounce_supervisor::{
    Action, Command, Event, Heartbeat, Machine, Notice, Outcome, Policy, Status, WorkerId,
};

/// Longer than anything a machine waits for in these tests.
const EVER: Duration = Duration::from_secs(3600);

/// A machine and its simulated time.
pub(crate) struct Scene {
    pub(crate) machine: Machine,
    now: Instant,
    /// Every worker ever spawned: its slot, generation and limit of requests.
    workers: BTreeMap<WorkerId, (u32, u32, Option<u64>)>,
}

/// The actions of a machine, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Done(pub(crate) Vec<Action>);

impl Done {
    pub(crate) fn spawned(&self) -> Vec<WorkerId> {
        let spawned = self.0.iter().filter_map(|action| match action {
            Action::Spawn { worker, .. } => Some(*worker),
            _ => None,
        });
        spawned.collect()
    }

    /// The worker spawned, which must be the only one.
    pub(crate) fn one_spawned(&self) -> WorkerId {
        match self.spawned()[..] {
            [worker] => worker,
            _ => panic!("one worker is to be spawned: {self:?}"),
        }
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        let notices = self.0.iter().filter_map(|action| match action {
            Action::Notify(notice) => Some(notice.clone()),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn sent(&self) -> Vec<(WorkerId, Command)> {
        let sent = self.0.iter().filter_map(|action| match action {
            Action::Send(worker, command) => Some((*worker, *command)),
            _ => None,
        });
        sent.collect()
    }

    pub(crate) fn has(&self, wanted: &Action) -> bool {
        self.0.contains(wanted)
    }

    pub(crate) fn tells(&self, wanted: &Notice) -> bool {
        self.0.iter().any(|action| matches!(action, Action::Notify(notice) if notice == wanted))
    }

    pub(crate) fn exit(&self) -> Option<Outcome> {
        self.0.iter().find_map(|action| match action {
            Action::Exit(outcome) => Some(outcome.clone()),
            _ => None,
        })
    }
}

impl Scene {
    /// A machine that has asked for its first generation.
    pub(crate) fn new(policy: Policy) -> Self {
        let mut machine = Machine::new(policy);
        assert_eq!(machine.start(), [Action::Prepare(0)]);
        Self { machine, now: Instant::now(), workers: BTreeMap::new() }
    }

    /// A machine whose workers are spawned and do not serve yet.
    pub(crate) fn starting(policy: Policy) -> Self {
        let mut scene = Self::new(policy);
        scene.tell(Event::Prepared(0));
        scene
    }

    /// A machine whose workers all serve, and have nothing to do.
    pub(crate) fn running(policy: Policy) -> Self {
        let mut scene = Self::starting(policy);
        let workers: Vec<WorkerId> = scene.workers.keys().copied().collect();
        let mut last = Done::default();
        for worker in workers {
            last = scene.serve(worker);
        }
        assert!(last.tells(&Notice::Ready), "{last:?}");
        scene
    }

    /// Gives the machine an event. Workers told to drain stop accepting at once.
    pub(crate) fn tell(&mut self, event: Event) -> Done {
        let mut actions = self.machine.handle(self.now, event);
        let mut seen = 0;
        while let Some(action) = actions.get(seen).cloned() {
            seen += 1;
            match action {
                Action::Spawn { worker, slot, generation, max_requests } => {
                    let work = (slot, generation, max_requests.map(|limit| limit.get()));
                    assert_eq!(self.workers.insert(worker, work), None, "a worker's name is used once");
                }
                Action::Send(worker, Command::ReloadDrain) => {
                    let draining = Event::Status(worker, Status::Draining);
                    actions.extend(self.machine.handle(self.now, draining));
                }
                _ => {}
            }
        }
        Done(actions)
    }

    /// Lets time pass, with a tick at every deadline.
    pub(crate) fn pass(&mut self, time: Duration) -> Done {
        let end = self.now + time;
        let mut done = Vec::new();
        while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
            done.extend(self.tick_at(at).0);
        }
        self.now = end;
        Done(done)
    }

    /// Lets time pass until the machine performs a `wanted` action. Returns the time that took and the actions.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Action) -> bool) -> (Duration, Done) {
        let start = self.now;
        let mut done = Vec::new();
        loop {
            let at = self.machine.deadline();
            let at = at.filter(|at| *at < start + EVER).unwrap_or_else(|| panic!("nothing comes: {done:?}"));
            done.extend(self.tick_at(at).0);
            if done.iter().any(&wanted) {
                return (self.now - start, Done(done));
            }
        }
    }

    /// Lets time pass until a worker is spawned. Returns the time that took and the worker.
    pub(crate) fn until_spawned(&mut self) -> (Duration, WorkerId) {
        let (after, done) = self.until(|action| matches!(action, Action::Spawn { .. }));
        (after, done.one_spawned())
    }

    /// Time passes without ticks: the driver is late.
    pub(crate) fn oversleep(&mut self, time: Duration) {
        self.now += time;
    }

    fn tick_at(&mut self, at: Instant) -> Done {
        self.now = self.now.max(at);
        let done = self.tell(Event::Tick);
        let next = self.machine.deadline();
        assert!(next.is_none_or(|next| next > self.now), "what is due stays due: {done:?}");
        done
    }

    pub(crate) fn says(&mut self, worker: WorkerId, status: Status) -> Done {
        self.tell(Event::Status(worker, status))
    }

    /// The worker serves, and has nothing to do yet.
    pub(crate) fn serve(&mut self, worker: WorkerId) -> Done {
        let mut done = self.says(worker, Status::Serving);
        done.0.extend(self.beats(worker, idle()).0);
        done
    }

    pub(crate) fn beats(&mut self, worker: WorkerId, heartbeat: Heartbeat) -> Done {
        self.says(worker, Status::Heartbeat(heartbeat))
    }

    /// The worker says that it cannot serve, and why.
    pub(crate) fn fails(&mut self, worker: WorkerId, why: &str) -> Done {
        self.says(worker, Status::Error { detail: why.to_owned() })
    }

    /// The worker has ended.
    pub(crate) fn ends(&mut self, worker: WorkerId) -> Done {
        self.tell(Event::Ended(worker, "exit code 9".to_owned()))
    }

    /// The worker obeys: it drains and ends.
    pub(crate) fn drains(&mut self, worker: WorkerId) -> Done {
        let mut done = Done::default();
        for status in [Status::Draining, Status::Idle, Status::Stopped] {
            done.0.extend(self.says(worker, status).0);
        }
        done.0.extend(self.tell(Event::Ended(worker, "exit code 0".to_owned())).0);
        done
    }

    /// The worker last spawned in a slot.
    pub(crate) fn at(&self, slot: u32) -> WorkerId {
        let found = self.workers.iter().rev().find(|(_, (of, ..))| *of == slot);
        *found.expect("the slot had a worker").0
    }

    pub(crate) fn slot(&self, worker: WorkerId) -> u32 {
        self.workers[&worker].0
    }

    pub(crate) fn generation(&self, worker: WorkerId) -> u32 {
        self.workers[&worker].1
    }

    pub(crate) fn max_requests(&self, worker: WorkerId) -> Option<u64> {
        self.workers[&worker].2
    }
}

/// A policy of this many worker processes and common limits.
pub(crate) fn workers(workers: usize) -> Policy {
    Policy { workers, ..Policy::default() }
}

/// As [`workers`], with threads, which cannot be killed.
pub(crate) fn threads(workers: usize) -> Policy {
    Policy { workers, killable: false, ..Policy::default() }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn idle() -> Heartbeat {
    Heartbeat { busy: false, requests: 0, rss: 0 }
}

pub(crate) fn busy() -> Heartbeat {
    Heartbeat { busy: true, requests: 0, rss: 0 }
}
