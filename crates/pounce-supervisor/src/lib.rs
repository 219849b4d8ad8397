//! N workers: spawn, watch, respawn within a budget, replace one by one, drain, stop by force.
//!
//! What is decided stands in [`Machine`], which is sans-IO: events in, actions out, time an argument. What is
//! done stands in [`Supervisor`], the driver that runs a machine against real workers. A worker is a process
//! ([`process`]) or a thread ([`thread`]) behind one type, [`WorkerHandle`], and speaks one vocabulary,
//! [`Command`] and [`Status`]. Nothing here knows what a worker serves: that is the [`Workforce`]'s.
//!
//! # Map
//!
//! | module | subject |
//! |---|---|
//! | `machine` | what is decided; `machine::budget`: when a slot is given up |
//! | `policy` | the numbers it decides by |
//! | `control` | what supervisor and worker say to each other |
//! | `supervisor` | the driver, and its public face |
//! | `worker` | the two ends of one worker |
//! | `process`, `thread` | the two ways to start one |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod control;
mod machine;
mod policy;
pub mod process;
mod supervisor;
pub mod thread;
mod worker;

pub use control::{Command, Heartbeat, Status};
pub use machine::{Action, Event, Machine, Notice, Outcome, WorkerId};
pub use policy::Policy;
pub use supervisor::{Leftover, Mode, SlotListeners, Spawn, Supervisor, SupervisorHandle, Workforce};
pub use worker::{Reporter, WorkerEnd, WorkerEvents, WorkerHandle};
