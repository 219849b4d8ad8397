//! Running a server: configure, bind, run the lifespan's startup, serve, shut down.
//!
//! [`Server`] does all of that for a [`ServerConfig`](pounce_config::ServerConfig). This is the only crate that
//! combines configuration, sockets, Python and the worker.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod access_log;
mod announce;
mod bootstrap;
mod check;
mod clock;
mod context;
mod control;
mod detect;
mod error;
mod foreign_config;
mod handle;
mod host;
mod info;
mod life;
mod lifespan;
mod listeners;
mod logging;
mod many;
mod metrics;
mod observers;
pub mod output;
mod pid_file;
mod preload;
mod process;
mod python_log;
mod redirect;
mod reload;
mod serve;
mod server;
mod settings;
mod side_server;
mod signals;
mod single;
#[cfg(feature = "otel")]
mod spans;
mod systemd;
mod terminal;
mod waiting;
mod watchdog;
mod worker_process;

pub use check::{Checked, check};
pub use error::ServerError;
pub use foreign_config::evaluate_config;
pub use handle::{ServerHandle, ServerState};
pub use host::{Embedding, Host, Program};
pub use info::info;
pub use pounce_metrics::HistogramSum;
pub use pounce_net::LocalAddr;
pub use server::Server;
pub use worker_process::worker_from_arguments;
