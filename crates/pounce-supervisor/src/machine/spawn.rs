//! Starting workers: for empty slots, and as replacements.

use std::time::Instant;

use super::slot::{Farewell, Slot, Stage, Worker};
use super::{Action, GRACE, Machine, Notice, Phase, Reload};

impl Machine {
    pub(super) fn begin_reload(&mut self) {
        if self.phase == Phase::Running && self.reload.is_none() && std::mem::take(&mut self.reload_again) {
            let to = self.next_generation;
            self.next_generation += 1;
            self.reload = Some(Reload::Preparing { to });
            self.actions.push(Action::Prepare(to));
        }
    }

    /// Spawns a worker in every empty slot.
    pub(super) fn fill(&mut self, now: Instant) {
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.given_up || slot.wait_until.is_some() || slot.has_live() || slot.workers.len() > 1 {
                continue;
            }
            match self.reload {
                Some(Reload::Rolling { to, proven: true }) => self.spawn(now, at, to),
                // A new generation proves itself with one worker: start it here, where none serves.
                Some(Reload::Rolling { to, .. }) if !self.slots.iter().any(|slot| slot.starts(to)) => {
                    self.spawn(now, at, to);
                }
                // Wait for the new generation: nothing serves, and the old one may not start any more.
                Some(Reload::Rolling { .. }) if !self.slots.iter().any(Slot::serves) => {}
                _ => self.spawn(now, at, self.generation),
            }
        }
    }

    /// Spawns one replacement, if one is needed and no worker is starting.
    pub(super) fn replace(&mut self, now: Instant) {
        if self.phase != Phase::Running || self.slots.iter().any(Slot::is_starting) {
            return;
        }
        let rolling_to = self.rolling_to();
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
        // Workers of one process may start one after the other, so each gets the time of those before it too.
        let starting = self.slots.iter().filter(|slot| slot.is_starting()).count() as u32;
        let turns = if policy.killable { 1 } else { 1 + starting };
        let jitter = policy.lifetime_jitter.mul_f64(self.random.f64());
        let id = self.next_worker;
        self.next_worker += 1;
        let slot = &mut self.slots[at];
        slot.workers.push(Worker {
            id,
            generation,
            stage: Stage::Starting,
            accepts: true,
            deadline: Some(now + policy.startup_timeout * turns + 2 * GRACE),
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

    pub(super) fn end_reload(&mut self) {
        let Some(Reload::Rolling { to, proven: true }) = self.reload else { return };
        let is_old = |worker: &Worker| worker.accepts && worker.generation != to;
        if !self.slots.iter().flat_map(|slot| &slot.workers).any(is_old) {
            self.reload = None;
            self.notify(Notice::Reloaded);
            self.begin_reload();
        }
    }
}
