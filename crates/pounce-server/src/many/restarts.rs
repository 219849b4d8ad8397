//! Why workers are started in the place of others, for the metrics.

use std::cell::RefCell;
use std::collections::HashMap;

use pounce_metrics::Restart;
use pounce_supervisor::Notice;

/// What is known of the last worker of each slot.
#[derive(Default)]
pub(super) struct Restarts(RefCell<HashMap<u32, Last>>);

#[derive(Default)]
struct Last {
    generation: Option<u32>,
    why: Option<Restart>,
}

impl Restarts {
    /// Notes why a slot needs another worker.
    pub(super) fn note(&self, notice: &Notice) {
        let (slot, why) = match notice {
            Notice::Stuck { slot } => (slot, Restart::Stuck),
            Notice::Spent { slot, .. } => (slot, Restart::Spent),
            Notice::Lost { slot, .. } => (slot, Restart::Ended),
            // One that recovers is not replaced.
            Notice::Recovered { slot } => {
                self.0.borrow_mut().entry(*slot).or_default().why = None;
                return;
            }
            _ => return,
        };
        // A stuck worker is lost too.
        self.0.borrow_mut().entry(*slot).or_default().why.get_or_insert(why);
    }

    /// A worker starts in a slot. Returns why, unless it is the slot's first.
    pub(super) fn started(&self, slot: u32, generation: u32) -> Option<Restart> {
        let mut slots = self.0.borrow_mut();
        let last = slots.entry(slot).or_default();
        let before = last.generation.replace(generation);
        let why = last.why.take();
        before.and_then(|before| if before < generation { Some(Restart::Reload) } else { why })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_reason_is_what_was_noted_last_or_a_new_generation() {
        let restarts = Restarts::default();
        assert_eq!(restarts.started(0, 0), None);
        let lost = Notice::Lost { slot: 0, how: String::new(), wait: Duration::ZERO };
        restarts.note(&lost);
        assert_eq!(restarts.started(0, 0), Some(Restart::Ended));
        restarts.note(&Notice::Stuck { slot: 0 });
        restarts.note(&lost);
        assert_eq!(restarts.started(0, 0), Some(Restart::Stuck));
        restarts.note(&Notice::Stuck { slot: 0 });
        restarts.note(&Notice::Recovered { slot: 0 });
        assert_eq!(restarts.started(0, 0), None);
        restarts.note(&Notice::Spent { slot: 0, why: String::new() });
        assert_eq!(restarts.started(0, 0), Some(Restart::Spent));
        assert_eq!(restarts.started(0, 1), Some(Restart::Reload));
        assert_eq!(restarts.started(1, 1), None, "a slot that scaling has added");
    }
}
