//! N workers: spawn, watch, respawn within a budget, replace one by one, drain, stop by force.
//!
//! [`Machine`] decides and is sans-IO: events in, actions out, time an argument. [`Supervisor`] is the driver that
//! runs a machine against real workers. A worker is a process ([`process`]) or a thread ([`thread`]) behind one
//! type, [`WorkerHandle`], and exchanges [`Command`] and [`Status`] messages. Only the [`Workforce`] knows what a
//! worker serves.
//!
//! # Map
//!
//! | module | subject |
//! |---|---|
//! | `machine` | the decisions; `machine::budget`: when a slot is given up |
//! | `policy` | the limits and timeouts it decides by |
//! | `control` | the messages between supervisor and worker |
//! | `supervisor` | the driver, and its public API |
//! | `worker` | the two ends of one worker |
//! | `process`, `fork_server`, `thread` | the ways to start one: by exec, by a fork of a process that has loaded the application, as a thread |
//! | `packets` | messages with descriptors, between supervisor and fork server |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod control;
pub mod fork_server;
mod machine;
mod packets;
mod policy;
pub mod process;
mod supervisor;
pub mod thread;
mod worker;

pub use control::{Command, Heartbeat, OperatorRequest, Status};
pub use machine::{Action, Event, Machine, Notice, Outcome, WorkerId};
pub use policy::Policy;
pub use supervisor::{Leftover, Mode, SlotListeners, Spawn, Supervisor, SupervisorHandle, Workforce};
pub use worker::{Reporter, WorkerEnd, WorkerEvents, WorkerHandle};
