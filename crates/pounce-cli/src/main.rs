//! The `pounce` command: a command line becomes a configuration, the configuration a server.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod arguments;
mod file_target;
mod help;

use std::process::ExitCode;

use clap::builder::StyledStr;
use pounce_config::{ConfigErrors, ConfigFault, Layers, Problem, ServerConfig, discover};
use pounce_server::{Embedding, Server, output};

use crate::arguments::{Arguments, Request};

fn main() -> ExitCode {
    output::print_panics();
    if let Some(worked) = pounce_server::worker_from_arguments(&Embedding, std::env::args_os().skip(1)) {
        return worked;
    }
    let code = run();
    output::flush();
    code
}

fn run() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Request::Serve(arguments) => arguments,
        Request::ShortHelp => return print(&help::short()),
        Request::FullHelp => return print(&help::full()),
        Request::Version => {
            return print(&StyledStr::from(concat!("pounce ", env!("CARGO_PKG_VERSION"), "\n")));
        }
    };
    let config = match configure(arguments) {
        Ok(config) => config,
        Err(errors) => {
            report(&errors);
            return ExitCode::from(2);
        }
    };
    match Server::new(config, Embedding).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, error.hint().as_deref());
            ExitCode::from(error.exit_code())
        }
    }
}

fn configure(arguments: Arguments) -> Result<ServerConfig, ConfigErrors> {
    let layers = Layers::new().environment(std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not UTF-8 cannot be an option.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }));
    let layers = layers.command_line(arguments.options).surplus(arguments.surplus);
    let directory = std::env::current_dir().unwrap_or_default();
    let layers = match discover(&directory, layers.config_path().as_deref())? {
        Some(file) => layers.file(&file),
        None => layers,
    };
    layers.build()
}

/// Every error, then what to do: the hint of each, or how the command is used.
fn report(errors: &ConfigErrors) {
    let mut text = String::new();
    for fault in &errors.0 {
        text += &format!("error: {fault}\n");
    }
    let mut hints: Vec<String> = Vec::new();
    for hint in errors.0.iter().filter_map(hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    text.push('\n');
    for hint in &hints {
        text += &format!("hint: {hint}\n");
    }
    if errors.0.iter().any(|fault| matches!(fault.problem, Problem::Missing { .. })) {
        text += &format!("{}\n\n", help::usage());
    }
    if hints.is_empty() {
        text += "hint: pounce -h shows how it is used, pounce --help lists every option\n";
    }
    output::text(&text, &text, true);
}

fn hint(fault: &ConfigFault) -> Option<String> {
    let named_a_file = || file_target::hint(fault.value.as_deref().filter(|_| fault.option == "app")?);
    fault.hint().or_else(named_a_file)
}

fn print(text: &StyledStr) -> ExitCode {
    output::text(&text.ansi().to_string(), &text.to_string(), false);
    ExitCode::SUCCESS
}
