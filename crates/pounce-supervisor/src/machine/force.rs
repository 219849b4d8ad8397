//! Forcing workers to end that miss their deadlines.

use std::time::Instant;

use super::slot::Stage;
use super::{Action, FORCE_AFTER, GRACE, Machine, Notice, WorkerId};
use crate::control::Command;

impl Machine {
    /// Handles every deadline that has passed.
    pub(super) fn expire(&mut self, now: Instant) {
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
                // A thread can only be asked to end.
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

    /// Takes the next step against a worker that does not end: SIGTERM, SIGKILL, give up.
    pub(super) fn force(&mut self, now: Instant, id: WorkerId) {
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
            // Nothing more can be done: stop tracking it.
            slot.remove(id);
            self.notify(Notice::Unstoppable { slot: number });
        }
    }
}
