//! The input and output of a machine.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::control::{Command, OperatorRequest, Status};

/// Identifies one worker from its spawn to its end. Never reused.
pub type WorkerId = u64;

/// An event: input of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A generation is prepared; its workers can be spawned.
    Prepared(u32),
    /// A generation could not be prepared, and why.
    NotPrepared(u32, String),
    /// A generation's resources are released.
    Released(u32),
    /// A worker reports its status.
    Status(WorkerId, Status),
    /// A worker has ended or could not be started, and how.
    Ended(WorkerId, String),
    /// Replace all workers with workers of a new generation.
    Reload,
    /// One worker more.
    ScaleUp,
    /// One worker less.
    ScaleDown,
    /// So many workers, at least one.
    ScaleTo(usize),
    /// Request something of all workers.
    Request(OperatorRequest),
    /// Drain and stop.
    Shutdown,
    /// Time has passed: [`Machine::deadline`] is due.
    Tick,
}

/// An action: output of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Prepare the resources that all workers of a generation share; answered by [`Event::Prepared`] or
    /// [`Event::NotPrepared`].
    Prepare(u32),
    /// Release them: no worker of the generation is left. Answered by [`Event::Released`].
    Release(u32),
    /// Start a worker.
    Spawn {
        /// Its id.
        worker: WorkerId,
        /// The slot it works in, from 0.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Requests after which it must send a heartbeat, so that it is replaced.
        max_requests: Option<NonZeroU64>,
    },
    /// Send a command to a worker.
    Send(WorkerId, Command),
    /// Request something of a worker.
    Request(WorkerId, OperatorRequest),
    /// Ask a process to end (SIGTERM).
    Terminate(WorkerId),
    /// End a process (SIGKILL).
    Kill(WorkerId),
    /// Close the listeners that only this slot has: no worker accepts from them any more.
    CloseSlot(u32),
    /// Notify the operator.
    Notify(Notice),
    /// The supervisor is done.
    Exit(Outcome),
}

/// A change that the operator should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Every worker serves.
    Ready,
    /// No worker of an old generation accepts connections any more.
    Reloaded,
    /// The new generation did not start; the old one stays.
    ReloadFailed(String),
    /// A worker has ended unexpectedly.
    Lost {
        /// Its slot.
        slot: u32,
        /// How it ended.
        how: String,
        /// How long until the next one starts.
        wait: Duration,
    },
    /// A worker has ended too often and is not restarted any more.
    GivenUp {
        /// Its slot.
        slot: u32,
        /// How it ended the last time.
        how: String,
    },
    /// A worker is replaced because it has reached its limit of requests, age or memory.
    Spent {
        /// Its slot.
        slot: u32,
        /// Which limit.
        why: String,
    },
    /// A replacement did not start; the worker stays.
    NotReplaced {
        /// Its slot.
        slot: u32,
        /// The reason.
        how: String,
    },
    /// A busy worker has been silent for too long.
    Stuck {
        /// Its slot.
        slot: u32,
    },
    /// A stuck worker sends heartbeats again.
    Recovered {
        /// Its slot.
        slot: u32,
    },
    /// A worker does not end and cannot be forced to.
    Unstoppable {
        /// Its slot.
        slot: u32,
    },
    /// A worker answers a question.
    Answer {
        /// Its slot.
        slot: u32,
        /// Its answer.
        text: String,
    },
    /// The number of workers has changed.
    Scaled(usize),
}

/// How a supervisor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By a requested shutdown.
    Stopped,
    /// One of the first workers did not start, and why.
    StartupFailed(String),
    /// Every slot was given up.
    GivenUp,
}
