//! The life of a server: configure, bind, run the lifespan's startup, serve, shut down.
//!
//! [`Server`] takes a [`ServerConfig`](pounce_config::ServerConfig) through that life. It is the only crate
//! that sees configuration, sockets, Python and the worker together.

mod access_log;
mod announce;
mod error;
mod life;
mod listeners;
mod logging;
mod reload;
mod server;
mod settings;
mod signals;
mod watchdog;

pub use error::ServerError;
pub use server::{Server, ServerHandle};
