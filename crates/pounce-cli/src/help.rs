//! The output of `-h` and `--help`, made from the one table of options and wrapped to the terminal.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};
use pounce_config::{Kind, OPTIONS, OptionSpec};

use crate::commands;

const EXAMPLES: &str = "\
Examples:
  pounce main:app                      serve `app` of main.py on 127.0.0.1:8000
  pounce main:app --reload             the same, restarted when a file changes
  pounce main:app --host 0.0.0.0 -w 4  every address, four workers";

/// The options that most command lines need.
const COMMON: &[&str] = &[
    "app",
    "app-dir",
    "factory",
    "host",
    "port",
    "bind",
    "workers",
    "reload",
    "env-file",
    "ssl-certfile",
    "ssl-keyfile",
    "log-level",
    "config",
];

/// The short help: three examples, then the options that most people use.
pub(crate) fn short() -> StyledStr {
    let common = OPTIONS.iter().filter(|option| COMMON.contains(&option.name));
    let mut command = base().help_template("{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}");
    command =
        command.before_help(EXAMPLES).after_help("--help lists every option, --version prints the version.");
    for option in common {
        command = command.arg(argument(option).help_heading("Options"));
    }
    command.render_help()
}

/// Every option under its heading.
pub(crate) fn full() -> StyledStr {
    command().render_long_help()
}

/// How to start a server, for a user who named no application.
pub(crate) fn usage() -> String {
    format!("Usage: pounce [OPTIONS] APP\n\n{EXAMPLES}")
}

fn base() -> Command {
    Command::new("pounce")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An ASGI server: serves a Python application over HTTP")
        .override_usage("pounce [OPTIONS] APP\n       pounce COMMAND ...")
        .max_term_width(120)
        .disable_help_flag(true)
        .disable_version_flag(true)
}

pub(crate) fn command() -> Command {
    let after = format!(
        "Commands (a module of such a name is served as `NAME:app`):\n{}\n\nEvery option can also be set in pounce.toml, \
         in [tool.pounce] of pyproject.toml, or by the variable POUNCE_NAME.",
        commands::list()
    );
    let mut command = base().after_help(after);
    let mut options: Vec<&OptionSpec> = OPTIONS.iter().collect();
    options.sort_by_key(|option| option.section);
    for option in options {
        command = command.arg(argument(option));
        if on_by_default(option) {
            command = command.arg(negation(option));
        }
    }
    let flag = |name, short, help| {
        Arg::new(name).long(name).short(short).action(ArgAction::SetTrue).help(help).help_heading("Help")
    };
    command.arg(flag("help", 'h', "Print this help; -h prints a short one")).arg(flag(
        "version",
        'V',
        "Print the version",
    ))
}

fn argument(option: &OptionSpec) -> Arg {
    let help = match option.default {
        Some(default) if !matches!(option.kind, Kind::Flag) && !default.is_empty() => {
            format!("{} [default: {default}]", option.help)
        }
        _ => option.help.to_owned(),
    };
    let arg = Arg::new(option.name).help(help).help_heading(option.section.title());
    if option.positional {
        return arg.value_name(option.value_name);
    }
    let arg = arg.long(option.name);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match option.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        _ => arg.value_name(option.value_name),
    }
}

/// `--no-NAME` of a flag that is on by default.
fn negation(option: &OptionSpec) -> Arg {
    let name = format!("no-{}", option.name);
    let help = format!("Turn --{} off", option.name);
    Arg::new(name.clone())
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
        .help_heading(option.section.title())
}

fn on_by_default(option: &OptionSpec) -> bool {
    option.kind == Kind::Flag && option.default == Some("on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_makes_a_consistent_help() {
        command().debug_assert();
        let help = full().to_string();
        for option in OPTIONS.iter().filter(|option| !option.positional) {
            assert!(help.contains(&format!("--{}", option.name)), "{}", option.name);
        }
    }

    #[test]
    fn the_short_help_begins_with_three_examples_and_fits_on_a_screen() {
        let help = short().to_string();
        assert!(help.starts_with("Examples:\n  pounce main:app "), "{help}");
        assert_eq!(help.lines().filter(|line| line.starts_with("  pounce main:app")).count(), 3);
        assert!(COMMON.iter().all(|name| OPTIONS.iter().any(|option| option.name == *name)));
        assert!(help.lines().count() <= 40, "{help}");
    }

    #[test]
    fn help_is_wrapped_to_the_terminal_width() {
        for width in [80, 120] {
            let help = command().term_width(width).render_long_help().to_string();
            assert!(help.lines().all(|line| line.chars().count() <= width), "{width}: {help}");
        }
    }
}
