//! The commands beside serving: `pounce check`, `pounce ctl` and so on. A module of such a name is served as `ctl:app`.

mod check;
mod client;
mod config;
mod ctl;
mod reference;
mod shape;
mod top;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;
use pounce_config::Layers;
use pounce_server::{Host, info, output};

/// A command: its name, what it is for, and how it is run. Running it returns the exit code.
struct Entry {
    name: &'static str,
    about: &'static str,
    run: Run,
}

enum Run {
    /// It takes the options of a server, with all the ways to write them.
    Server(fn(&dyn Host, Vec<OsString>) -> u8),
    /// It has arguments of its own.
    Own(fn(Command) -> Command, fn(&dyn Host, &ArgMatches) -> u8),
}

const ENTRIES: &[Entry] = &[
    Entry {
        name: "check",
        about: "Import the application as a server would, and serve nothing",
        run: Run::Server(check::run),
    },
    Entry {
        name: "config",
        about: "Show the configuration and the origin of each value",
        run: Run::Server(config::run),
    },
    Entry {
        name: "ctl",
        about: "Look at a running server and change it (--control)",
        run: Run::Own(ctl::command, ctl::run),
    },
    Entry { name: "top", about: "Watch a running server (--control)", run: Run::Own(top::command, top::run) },
    Entry {
        name: "info",
        about: "Print versions and limits, for bug reports",
        run: Run::Own(|base| base, print_info),
    },
    Entry {
        name: "completions",
        about: "Print a script by which a shell completes command lines",
        run: Run::Own(with_shell, print_completions),
    },
    Entry { name: "man", about: "Print the manual page", run: Run::Own(|base| base, print_manual) },
];

/// Runs a command, if the first argument names one. Returns the exit code: 0, 1 where it failed, 2 where it is misused.
pub(crate) fn run(host: &dyn Host, arguments: &[OsString]) -> Option<u8> {
    let (first, rest) = arguments.split_first()?;
    let entry = ENTRIES.iter().find(|entry| first == entry.name)?;
    let (command, run) = match entry.run {
        Run::Server(run) => return Some(run(host, rest.to_vec())),
        Run::Own(command, run) => (command, run),
    };
    let base = entry.base().bin_name(format!("pounce {}", entry.name)).max_term_width(120);
    Some(match command(base).try_get_matches_from(arguments) {
        Ok(matches) => run(host, &matches),
        Err(error) => {
            let text = error.render();
            output::text(&text.ansi().to_string(), &text.to_string(), error.use_stderr());
            u8::try_from(error.exit_code()).unwrap_or(2)
        }
    })
}

impl Entry {
    fn base(&self) -> Command {
        Command::new(self.name).about(self.about)
    }
}

/// The commands and what they are for, for the help.
pub(crate) fn list() -> String {
    let width = ENTRIES.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let lines = ENTRIES.iter().map(|entry| format!("  {:<width$}  {}", entry.name, entry.about));
    lines.collect::<Vec<_>>().join("\n")
}

/// The command with everything that it understands.
fn whole() -> Command {
    reference::whole(ENTRIES.iter().map(|entry| match entry.run {
        Run::Server(_) => entry.base(),
        Run::Own(command, _) => command(entry.base()),
    }))
}

fn print_info(host: &dyn Host, _matches: &ArgMatches) -> u8 {
    let facts = info(host);
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = facts.iter().map(|(name, fact)| format!("{name:<width$}  {fact}\n"));
    print(&lines.collect::<String>());
    0
}

fn with_shell(base: Command) -> Command {
    base.arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(clap::value_parser!(Shell)))
}

fn print_completions(_host: &dyn Host, matches: &ArgMatches) -> u8 {
    let shell = matches.get_one::<Shell>("shell").copied().unwrap_or(Shell::Bash);
    print(&String::from_utf8_lossy(&reference::completions(shell, whole())));
    0
}

fn print_manual(_host: &dyn Host, _matches: &ArgMatches) -> u8 {
    print(&String::from_utf8_lossy(&reference::manual(whole())));
    0
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

fn print(text: &str) {
    output::text(text, text, false);
}
