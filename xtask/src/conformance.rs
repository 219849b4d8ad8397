//! `cargo xtask conformance autobahn | h2 | asyncio`: tests a running server, and the event loop, against specifications.

mod asyncio;
mod autobahn;
mod h2;
mod server;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::tally::Tally;

/// Options of `cargo xtask conformance`.
#[derive(Args)]
pub(crate) struct Options {
    /// The specification to test [default: those of servers, against a fresh build]
    #[command(subcommand)]
    suite: Option<Suite>,
}

/// The specifications to test against.
#[derive(Subcommand)]
enum Suite {
    /// WebSocket: the Autobahn test suite's fuzzing client, every case of it
    Autobahn(autobahn::Options),
    /// HTTP/2: RFC 9113 rule by rule, frame by frame
    H2(h2::Options),
    /// The event loop: the tests of CPython's asyncio, uvloop, anyio and aiohttp, on every Python there is
    Asyncio(asyncio::Options),
}

/// Runs a suite, prints its table and counts its cases.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    match &options.suite {
        Some(Suite::Autobahn(options)) => autobahn::run(options),
        Some(Suite::H2(options)) => h2::run(options),
        Some(Suite::Asyncio(options)) => asyncio::run(options),
        None => {
            let mut tally = h2::run(&h2::Options::default())?;
            tally += autobahn::run(&autobahn::Options::default())?;
            Ok(tally)
        }
    }
}
