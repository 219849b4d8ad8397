//! What goes into a machine and what comes out of it.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::control::{Command, Status};

/// Names one worker, from its spawn to its end. Never used again.
pub type WorkerId = u64;

/// An event: input of the machine.
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
    /// Time has passed: [`Machine::deadline`] is due.
    Tick,
}

/// An action: output of the machine.
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
    /// No worker of an old generation accepts connections any more.
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
