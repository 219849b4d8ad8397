//! `cargo xtask conformance autobahn | h2`: what the specifications say, asked of a running server.

mod autobahn;
mod h2;
mod server;

use anyhow::Result;
use clap::Subcommand;

use crate::tally::Tally;

/// The specifications to test against.
#[derive(Subcommand)]
pub(crate) enum Suite {
    /// WebSocket: the Autobahn test suite's fuzzing client, every case of it
    Autobahn(autobahn::Options),
    /// HTTP/2: RFC 9113 rule by rule, frame by frame
    H2(h2::Options),
}

/// Runs a suite, prints its table and counts its cases.
pub(crate) fn run(suite: &Suite) -> Result<Tally> {
    match suite {
        Suite::Autobahn(options) => autobahn::run(options),
        Suite::H2(options) => h2::run(options),
    }
}
