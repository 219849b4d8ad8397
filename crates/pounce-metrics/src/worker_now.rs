//! One worker at one time, as its row shows it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::layout::{self, Row};
use crate::number::now;
use crate::requests::{self, RunningRequest};

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerPhase {
    /// It loads its application.
    Starting,
    /// It accepts connections.
    Serving,
    /// It accepts no more, and finishes its requests.
    Draining,
}

impl WorkerPhase {
    /// Its name: `starting`, `serving`, `draining`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerNow {
    /// Its slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Its process; 0 before it serves.
    pub process: u32,
    /// How far it is.
    pub phase: WorkerPhase,
    /// Since when it exists.
    pub age: Duration,
    /// Requests that it and its predecessors in the row have served.
    pub served: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Open connections.
    pub connections: u64,
    /// When its event loop is due to report, by the monotonic clock; `None` if it is not overdue.
    pub due: Option<Duration>,
    /// What it serves, if workers list their requests.
    pub requests: Vec<RunningRequest>,
}

impl WorkerNow {
    /// `None` if no worker has the row.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let at = |at: usize| row[at].load(Ordering::Relaxed);
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let slot = at(layout::SLOT.start).checked_sub(1)?;
        let phase = match (at(layout::SERVING.start), at(layout::DRAINING.start)) {
            (_, 1) => WorkerPhase::Draining,
            (1, _) => WorkerPhase::Serving,
            _ => WorkerPhase::Starting,
        };
        Some(Self {
            slot: narrow(slot),
            generation: narrow(at(layout::GENERATION.start)),
            process: narrow(at(layout::PROCESS.start)),
            phase,
            age: Duration::from_micros(now().saturating_sub(at(layout::STARTED.start))),
            served: layout::REQUESTS.map(at).sum(),
            in_flight: at(layout::IN_FLIGHT.start),
            connections: layout::OPEN.map(at).sum(),
            due: Some(at(layout::DUE.start)).filter(|due| *due > 0).map(Duration::from_nanos),
            requests: requests::running(row),
        })
    }
}
