//! The commands beside serving: `pounce ctl`, `pounce top` and so on. A module of such a name is served as `ctl:app`.

mod client;
mod ctl;
mod shape;
mod top;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use pounce_config::Layers;
use pounce_server::{Host, output};

/// A command: how it is written, and what it does. It returns the exit code.
struct Entry {
    name: &'static str,
    command: fn(Command) -> Command,
    run: fn(&dyn Host, &ArgMatches) -> u8,
}

const ENTRIES: &[Entry] = &[
    Entry { name: "ctl", command: ctl::command, run: ctl::run },
    Entry { name: "top", command: top::command, run: top::run },
];

/// Runs a command, if the first argument names one. Returns the exit code: 0, 1 where it failed, 2 where it is misused.
pub(crate) fn run(host: &dyn Host, arguments: &[OsString]) -> Option<u8> {
    let entry = ENTRIES.iter().find(|entry| arguments.first().is_some_and(|first| first == entry.name))?;
    let base = Command::new(entry.name).bin_name(format!("pounce {}", entry.name)).max_term_width(120);
    let command = (entry.command)(base);
    Some(match command.try_get_matches_from(arguments) {
        Ok(matches) => (entry.run)(host, &matches),
        Err(error) => {
            let text = error.render();
            output::text(&text.ansi().to_string(), &text.to_string(), error.use_stderr());
            u8::try_from(error.exit_code()).unwrap_or(2)
        }
    })
}

/// `--control PATH`.
fn control_argument() -> Arg {
    Arg::new("control")
        .long("control")
        .value_name("PATH")
        .value_parser(clap::value_parser!(PathBuf))
        .global(true)
        .help("The server's control socket; else that of POUNCE_CONTROL, pounce.toml or pyproject.toml")
}

/// The control socket that a command line or the configuration names.
fn control_path(host: &dyn Host, matches: &ArgMatches) -> Result<PathBuf, String> {
    if let Some(path) = matches.get_one::<PathBuf>("control") {
        return Ok(path.clone());
    }
    let configured = crate::file_layers(host, Layers::new().environment(crate::variables())).ok();
    configured.and_then(|layers| layers.path("control")).ok_or_else(|| {
        "no control socket is named: start the server with --control PATH, and name that path here or in \
         POUNCE_CONTROL"
            .to_owned()
    })
}

/// Prints an error; the exit code.
fn fail(error: &str) -> u8 {
    output::error(error, None);
    1
}

/// Prints a text for people, or a value as JSON.
fn print(text: &str) {
    output::text(text, text, false);
}
