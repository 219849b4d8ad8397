//! The program `pounce`: the command with an interpreter of its own.

use std::process::ExitCode;

use pounce_server::Embedding;

fn main() -> ExitCode {
    ExitCode::from(pounce_cli::run(Embedding, std::env::args_os().skip(1)))
}
