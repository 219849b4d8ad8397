//! Helpers for most tests.

use std::path::PathBuf;

use pounce_config::{ConfigErrors, ConfigFile, Layers, ServerConfig};

/// A `pounce.toml` with this text.
pub(crate) fn toml(text: &str) -> ConfigFile {
    ConfigFile { path: PathBuf::from("pounce.toml"), text: text.into() }
}

/// A `pyproject.toml` with this text.
pub(crate) fn pyproject(text: &str) -> ConfigFile {
    ConfigFile { path: PathBuf::from("pyproject.toml"), text: text.into() }
}

/// One environment variable.
pub(crate) fn env(name: &str, value: &str) -> [(String, String); 1] {
    [(name.into(), value.into())]
}

/// Only an application on the command line.
pub(crate) fn app() -> Layers {
    Layers::new().command_line([("app", ["main:app"])])
}

/// An application and these arguments on the command line; `NAME` alone is a flag.
pub(crate) fn given(arguments: &[&str]) -> Result<ServerConfig, ConfigErrors> {
    let split = |argument: &&str| match argument.split_once('=') {
        Some((name, value)) => (name.to_owned(), vec![value.to_owned()]),
        None => ((*argument).to_owned(), vec![]),
    };
    app().command_line(arguments.iter().map(split)).build()
}

/// The configuration of these valid arguments.
pub(crate) fn config(arguments: &[&str]) -> ServerConfig {
    given(arguments).expect("a valid configuration")
}

/// The message of every fault.
pub(crate) fn messages(result: Result<ServerConfig, ConfigErrors>) -> Vec<String> {
    let errors = result.expect_err("a faulty configuration");
    errors.0.iter().map(ToString::to_string).collect()
}
