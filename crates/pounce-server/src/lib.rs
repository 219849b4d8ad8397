//! The life of a server: configure, bind, run the lifespan's startup, serve, shut down.
//!
//! [`Server`] takes a [`ServerConfig`](pounce_config::ServerConfig) through that life. It is the only crate
//! that sees configuration, sockets, Python and the worker together.

mod access_log;
mod announce;
mod bootstrap;
mod detect;
mod error;
mod life;
mod lifespan;
mod listeners;
mod logging;
mod many;
mod reload;
mod serve;
mod server;
mod settings;
mod signals;
mod single;
mod terminal;
mod watchdog;
mod worker_process;

pub use error::ServerError;
pub use server::{Server, ServerHandle};
pub use worker_process::worker_from_arguments;
