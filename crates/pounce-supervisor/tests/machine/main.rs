//! The supervisor's decisions, in simulated time: events in, actions out.

mod drain;
mod harness;
mod play;
mod property;
mod recycle;
mod reload;
mod respawn;
mod scale;
mod startup;
mod stuck;
