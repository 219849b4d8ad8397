//! The project's own commands: `cargo xtask test | tidy | bench | conformance | sanitize | dist | ci`. This file only reads the command line.
//!
//! It depends on no crate of the workspace, so that it works when the workspace does not build.

mod bench;
mod ci;
mod conformance;
mod error;
mod python;
mod sanitize;
mod tally;
mod test;
mod tidy;
mod venv;
mod wheel;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the workspace's tests against one or several Pythons
    Test(test::Options),
    /// Check the layering of the crates and the house rules of the sources
    Tidy,
    /// Measure Pounce against other servers
    Bench(Box<bench::Options>),
    /// Test a server against the specifications
    Conformance(conformance::Options),
    /// Use the event loop under the address sanitizer
    Sanitize(sanitize::Options),
    /// Build wheels of the Python package, and its source distribution
    Dist(wheel::Options),
    /// Run every check that a change must pass
    Ci(ci::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Test(options) => test::run(&options).map(Some),
        Task::Tidy => tidy::run().map(|()| None),
        Task::Bench(options) => bench::run(&options),
        Task::Conformance(options) => conformance::run(&options).map(Some),
        Task::Sanitize(options) => sanitize::run(&options).map(|()| None),
        Task::Dist(options) => wheel::dist(&options).map(|()| None),
        Task::Ci(options) => ci::run(&options).map(Some),
    };
    match outcome {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(tally)) => {
            println!("{tally}");
            if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            error::print(&error);
            ExitCode::FAILURE
        }
    }
}
