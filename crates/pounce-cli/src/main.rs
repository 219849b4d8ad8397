//! The `pounce` command: a command line becomes a configuration, the configuration a server.

mod arguments;

use std::process::ExitCode;

use pounce_config::{ConfigErrors, Layers, ServerConfig, discover};
use pounce_server::Server;

fn main() -> ExitCode {
    if let Some(worked) = pounce_server::worker_from_arguments() {
        return worked;
    }
    let arguments = arguments::parse();
    let config = match configure(arguments) {
        Ok(config) => config,
        Err(errors) => {
            for fault in &errors.0 {
                eprintln!("error: {fault}");
            }
            eprintln!("\nhint: usage: pounce [OPTIONS] APP; pounce --help lists the options");
            return ExitCode::from(2);
        }
    };
    match Server::new(config).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("\nhint: {hint}");
            }
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
