//! The `pounce` command: a command line becomes a configuration, the configuration a server.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod arguments;

use std::process::ExitCode;

use pounce_config::{ConfigErrors, Layers, ServerConfig, discover};
use pounce_server::{Server, output};

fn main() -> ExitCode {
    output::print_panics();
    if let Some(worked) = pounce_server::worker_from_arguments() {
        return worked;
    }
    let code = run();
    output::flush();
    code
}

fn run() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let config = match configure(arguments) {
        Ok(config) => config,
        Err(ConfigErrors(errors)) => {
            let (last, others) = errors.split_last().expect("a configuration that failed has a fault");
            others.iter().for_each(|fault| output::error(fault, None));
            let usage = "usage: pounce [OPTIONS] APP; pounce --help lists the options";
            output::error(last, Some(usage));
            return ExitCode::from(2);
        }
    };
    match Server::new(config).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, error.hint().as_deref());
            ExitCode::from(error.exit_code())
        }
    }
}

fn configure(arguments: Vec<(String, Vec<String>)>) -> Result<ServerConfig, ConfigErrors> {
    let layers = Layers::new().environment(std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not text is none of ours.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }));
    let layers = layers.command_line(arguments);
    let directory = std::env::current_dir().unwrap_or_default();
    let layers = match discover(&directory, layers.config_path().as_deref())? {
        Some(file) => layers.file(&file),
        None => layers,
    };
    layers.build()
}
