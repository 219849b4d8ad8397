//! Rules that every run of a supervisor must keep, checked from outside.

use std::time::Instant;

use pounce_supervisor::{Action, Command, Notice, WorkerId};

use super::{Play, Worker};

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// More than twice the configured number of workers, or more than two in a slot.
    Crowd,
    /// A restart that the budget does not have.
    Budget,
    SpawnAfterStop,
    /// No exit after the longest time it may take.
    Endless,
    /// A deadline still in the past after its tick.
    StaysDue,
    AfterExit,
    /// Workers missing, too many or of different generations, long after all began to obey.
    Unsettled,
    /// A generation released early, twice, never, or without having been prepared.
    Release,
}

/// A slot's restarts.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the losses were that a restart followed.
    pub(super) restarts: Vec<Instant>,
    /// A loss without a restart yet.
    pub(super) lost: Option<Instant>,
    pub(super) given_up: bool,
}

impl Play {
    pub(super) fn breaks(&mut self, rule: Rule, how: String) {
        self.broken.push((rule, how));
    }

    pub(super) fn loses(&mut self, slot: u32) {
        self.budgets.entry(slot).or_default().lost = Some(self.now);
    }

    pub(super) fn observe(&mut self, actions: &[Action]) {
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
        if self.machine.deadline().is_some_and(|at| at <= self.now || self.exited) {
            self.breaks(Rule::StaysDue, format!("still due after {actions:?}"));
        }
    }

    fn note(&mut self, action: &Action) {
        match action {
            Action::Prepare(generation) => self.preparing.push(*generation),
            Action::Release(generation) => self.note_release(*generation),
            Action::Spawn { worker, slot, generation, .. } => self.note_spawn(*worker, *slot, *generation),
            // A thread that does not serve in time is told to drain, which counts as its loss.
            Action::Send(worker, Command::Drain) if !self.workers[worker].serves => self.note_lost(*worker),
            Action::Send(worker, _) => self.note_told(*worker),
            Action::Terminate(worker) | Action::Kill(worker) => self.note_lost(*worker),
            Action::Notify(Notice::GivenUp { slot, .. }) => {
                self.budgets.entry(*slot).or_default().given_up = true;
            }
            Action::Notify(Notice::ReloadFailed(_)) => self.note_reload_failed(),
            Action::Notify(Notice::Unstoppable { slot }) => self.note_abandoned(*slot),
            Action::Notify(Notice::Ready) => self.ready = true,
            Action::CloseSlot(_) | Action::Request(..) | Action::Notify(_) => {}
            Action::Exit(_) => self.exited = true,
        }
    }

    fn note_lost(&mut self, worker: WorkerId) {
        let was = self.workers.get(&worker).filter(|worker| !worker.leaves && !worker.apart);
        if let Some(slot) = was.map(|worker| worker.slot) {
            self.loses(slot);
        }
        self.note_told(worker);
    }

    fn note_told(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.leaves = true;
        }
    }

    /// A failed reload costs a slot no restart if its old worker serves.
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
        // After a whole window the restart counts as a first attempt.
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
            lives: true,
            serves: false,
            leaves: false,
            apart: false,
            abandoned: false,
        };
        self.workers.insert(id, worker);
    }

    /// The notice does not name the worker: every leaving worker of the slot counts as abandoned.
    fn note_abandoned(&mut self, slot: u32) {
        for worker in self.workers.values_mut().filter(|w| w.slot == slot && w.lives) {
            worker.abandoned |= worker.leaves;
        }
    }
}
