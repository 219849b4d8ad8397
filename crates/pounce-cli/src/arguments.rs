//! The command line, made from the one table of options.

use std::process::ExitCode;

use clap::builder::{StyledStr, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Command};
use pounce_config::{IGNORED, Kind, OPTIONS, OptionSpec};
use pounce_server::output;

/// Parses the process's arguments into option names and values, in the order of the table.
///
/// # Errors
/// Help, the version or a usage error was printed: the exit code.
pub(crate) fn parse() -> Result<Vec<(String, Vec<String>)>, ExitCode> {
    match command().try_get_matches() {
        Ok(matches) => Ok(collect(&matches)),
        Err(error) => {
            // Not clap's own printing, which would wait for a reader that has stopped to read.
            output::text(&error.render().ansi().to_string(), &error.render().to_string(), error.use_stderr());
            Err(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)))
        }
    }
}

fn command() -> Command {
    let mut command = Command::new("pounce")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An ASGI server: serves a Python application over HTTP")
        .override_usage("pounce [OPTIONS] APP")
        .after_help("Every option can also stand in pounce.toml, in [tool.pounce] of pyproject.toml, or in the environment as POUNCE_NAME.");
    let mut options: Vec<&OptionSpec> = OPTIONS.iter().collect();
    options.sort_by_key(|option| option.section);
    for option in options {
        command = command.arg(argument(option));
        if matches!(option.kind, Kind::Flag) {
            command = command.arg(negation(option));
        }
    }
    for ignored in IGNORED {
        let mut arg =
            Arg::new(ignored.name).long(ignored.name).hide(true).help(StyledStr::from(ignored.note));
        if let Some(short) = ignored.short {
            arg = arg.short(short);
        }
        command = command.arg(match ignored.values {
            0 => arg.action(ArgAction::SetTrue),
            _ => arg.action(ArgAction::Append).allow_hyphen_values(true),
        });
    }
    command
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
    let arg = arg.long(option.name).aliases(option.aliases.iter().copied());
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    if matches!(option.kind, Kind::Flag) {
        let negation = format!("no-{}", option.name);
        return arg.action(ArgAction::SetTrue).overrides_with(negation);
    }
    let arg = arg.value_name(option.value_name).action(ArgAction::Append).allow_hyphen_values(true);
    if matches!(option.kind, Kind::Path) { arg.value_hint(ValueHint::AnyPath) } else { arg }
}

/// `--no-NAME` of a flag; shown in the help where the flag is on by default.
fn negation(option: &OptionSpec) -> Arg {
    let shown = option.default.is_some_and(|default| matches!(default, "true" | "on" | "yes" | "1"));
    Arg::new(format!("no-{}", option.name))
        .long(format!("no-{}", option.name))
        .aliases(option.aliases.iter().map(|alias| format!("no-{alias}")))
        .action(ArgAction::SetTrue)
        .overrides_with(option.name)
        .help(format!("Turn --{} off", option.name))
        .help_heading(option.section.title())
        .hide(!shown)
}

fn collect(matches: &ArgMatches) -> Vec<(String, Vec<String>)> {
    let mut given = Vec::new();
    let mut flag = |name: &str| {
        if matches.get_flag(name) {
            given.push((name.to_owned(), Vec::new()));
        }
    };
    for option in OPTIONS.iter().filter(|option| matches!(option.kind, Kind::Flag)) {
        flag(option.name);
        flag(&format!("no-{}", option.name));
    }
    for ignored in IGNORED.iter().filter(|ignored| ignored.values == 0) {
        flag(ignored.name);
    }
    let valued = OPTIONS.iter().filter(|option| !matches!(option.kind, Kind::Flag)).map(|option| option.name);
    let ignored = IGNORED.iter().filter(|ignored| ignored.values > 0).map(|ignored| ignored.name);
    for name in valued.chain(ignored) {
        if let Some(values) = matches.get_many::<String>(name) {
            given.push((name.to_owned(), values.cloned().collect()));
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Vec<(String, Vec<String>)> {
        let matches = command().try_get_matches_from([&["pounce"], arguments].concat());
        collect(&matches.unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn the_table_makes_a_consistent_command_line() {
        command().debug_assert();
    }

    #[test]
    fn options_come_out_under_their_own_names() {
        assert_eq!(
            parsed(&["m:app", "--port", "0"]),
            [("app".to_owned(), vec!["m:app".to_owned()]), ("port".to_owned(), vec!["0".to_owned()]),]
        );
        assert_eq!(parsed(&["--chdir", "/x"]), [("app-dir".to_owned(), vec!["/x".to_owned()])]);
    }

    #[test]
    fn the_last_of_a_flag_and_its_negation_wins() {
        assert_eq!(parsed(&["--access-log", "--no-access-log"]), [("no-access-log".to_owned(), vec![])]);
        assert_eq!(parsed(&["--no-access-log", "--access-log"]), [("access-log".to_owned(), vec![])]);
    }
}
