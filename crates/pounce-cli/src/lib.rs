//! The `pounce` command: a command line becomes a configuration, the configuration a server.
//!
//! The program `pounce` embeds CPython; the Python package of the same name runs [`run`] inside the user's interpreter.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod arguments;
mod commands;
mod file_target;
mod help;

use std::ffi::OsString;

use clap::builder::StyledStr;
use pounce_config::{ConfigErrors, ConfigFault, FoundFile, Layers, Problem, ServerConfig, discover};
use pounce_server::{Host, Server, evaluate_config, output};

use crate::arguments::{Arguments, Request};

/// Does what a command line asks for, as a part of the program that `host` describes. `arguments` has no program name.
/// Returns the exit code: 0, 1 where serving failed, 2 for a faulty configuration, 3 where the application did not start.
pub fn run(host: impl Host, arguments: impl IntoIterator<Item = OsString>) -> u8 {
    output::print_panics();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let code = match pounce_server::worker_from_arguments(&host, arguments.iter().cloned()) {
        Some(worked) => worked,
        None => commands::run(&host, &arguments).unwrap_or_else(|| serve(host, arguments)),
    };
    output::flush();
    code
}

fn serve(host: impl Host, arguments: Vec<OsString>) -> u8 {
    let arguments = match arguments::parse(arguments) {
        Request::Serve(arguments) => arguments,
        Request::ShortHelp => return print(&help::short()),
        Request::FullHelp => return print(&help::full()),
        Request::Version => {
            return print(&StyledStr::from(concat!("pounce ", env!("CARGO_PKG_VERSION"), "\n")));
        }
    };
    let config = match configure(&host, arguments) {
        Ok(config) => config,
        Err(errors) => {
            report(&errors);
            return 2;
        }
    };
    match Server::new(config, host).run() {
        Ok(()) => 0,
        Err(error) => {
            output::error(&error, error.hint().as_deref());
            error.exit_code()
        }
    }
}

fn configure(host: &dyn Host, arguments: Arguments) -> Result<ServerConfig, ConfigErrors> {
    let layers = Layers::new().environment(variables());
    let layers = layers.command_line(arguments.options).surplus(arguments.surplus);
    let layers = match layers.gunicorn_arguments().map(shlex::split) {
        None => layers,
        Some(None) => layers.malformed_arguments("a quote is not closed"),
        Some(Some(words)) => match arguments::parse(words.into_iter().map(OsString::from)) {
            Request::Serve(arguments) => layers.environment_arguments(arguments.options),
            _ => layers,
        },
    };
    file_layers(host, layers)?.build()
}

/// The environment. A variable that is not UTF-8 cannot be an option.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Adds the layer of the file that the layers name, or that is in the working directory.
fn file_layers(host: &dyn Host, layers: Layers) -> Result<Layers, ConfigErrors> {
    let directory = std::env::current_dir().unwrap_or_default();
    Ok(match discover(&directory, layers.config_path().as_deref(), layers.compat())? {
        Some(FoundFile::Own(file)) => layers.file(&file),
        Some(FoundFile::Foreign(file)) => {
            let settings = if file.is_python {
                let python = layers.path("python");
                evaluate_config(host, &file.path, python.as_deref())
                    .map_err(|reason| ConfigErrors::unusable_file(&file.path, reason))?
            } else {
                file.read_toml(&directory)?
            };
            layers.foreign_file(&file, settings)
        }
        None => layers,
    })
}

/// Every error, then what to do: the hint of each, or how the command is used.
fn report(errors: &ConfigErrors) {
    let mut text = String::new();
    for fault in &errors.0 {
        text += &format!("error: {fault}\n");
    }
    let hints = errors.hints(hint);
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

fn print(text: &StyledStr) -> u8 {
    output::text(&text.ansi().to_string(), &text.to_string(), false);
    0
}
