//! The process's arguments, split into the names of options and their values by the one table of options.
//!
//! The configuration decides what a name means and whether the option exists, so that one run reports every
//! mistake.

use std::ffi::OsString;

use pounce_config::{Arity, arity};

/// The request on a command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `-h`
    ShortHelp,
    /// `--help`
    FullHelp,
    /// `--version`, `-V`
    Version,
    /// Anything else.
    Serve(Arguments),
}

/// The options of a command line, in their order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Names as they were typed, long ones without dashes, and their values.
    pub(crate) options: Vec<(String, Vec<String>)>,
    /// Words after the application that belong to no option.
    pub(crate) surplus: Vec<String>,
    /// Whether an option is unknown. The word after it may be its value.
    unknown: bool,
}

/// Splits arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Request {
    // An argument that is not UTF-8 keeps its place; the option then refuses it or finds no such file.
    let mut rest = arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).peekable();
    let mut parsed = Arguments::default();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-h" => return Request::ShortHelp,
            "--help" => return Request::FullHelp,
            "-V" | "--version" => return Request::Version,
            "--" => {
                for positional in rest.by_ref() {
                    parsed.positional(positional);
                }
            }
            _ if argument.len() > 1 && argument.starts_with('-') => {
                let (name, inline) = split(&argument);
                let value = match (arity(&name), inline) {
                    (Some(Arity::Flag), Some(after)) if argument.starts_with("--") => Some(after),
                    // `-Dw 4`: flags may be combined.
                    (Some(Arity::Flag), Some(after)) => {
                        parsed.options.push((name, Vec::new()));
                        parsed.short(&after, &mut rest);
                        continue;
                    }
                    (_, Some(inline)) => Some(inline),
                    (Some(Arity::Value), None) => rest.next_if(|next| !is_option(next)),
                    (Some(Arity::FlagOrWord(words)), None) => {
                        rest.next_if(|next| words.contains(&next.as_str()))
                    }
                    (known, None) => {
                        parsed.unknown |= known.is_none();
                        None
                    }
                };
                parsed.options.push((name, value.into_iter().collect()));
            }
            _ => parsed.positional(argument),
        }
    }
    if parsed.unknown {
        parsed.surplus.clear();
    }
    Request::Serve(parsed)
}

impl Arguments {
    fn positional(&mut self, argument: String) {
        if self.options.iter().any(|(name, _)| name == "app") {
            self.surplus.push(argument);
        } else {
            self.options.push(("app".to_owned(), vec![argument]));
        }
    }

    fn short(&mut self, letters: &str, rest: &mut impl Iterator<Item = String>) {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let name = format!("-{letter}");
            if arity(&name) == Some(Arity::Value) {
                let attached = letters.as_str();
                let value = if attached.is_empty() { rest.next() } else { Some(attached.to_owned()) };
                self.options.push((name, value.into_iter().collect()));
                return;
            }
            self.options.push((name, Vec::new()));
        }
    }
}

/// An option's name, and its value if in the same argument: `--name=value`, `-n=value`, `-nvalue`.
fn split(argument: &str) -> (String, Option<String>) {
    if let Some(long) = argument.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (long.to_owned(), None),
        };
    }
    let end = argument.chars().take(2).map(char::len_utf8).sum();
    let (name, after) = argument.split_at(end);
    let after = after.strip_prefix('=').unwrap_or(after);
    (name.to_owned(), (!after.is_empty()).then(|| after.to_owned()))
}

/// Whether an argument is an option that exists, and so not the value of the one before it.
fn is_option(argument: &str) -> bool {
    let (name, _) = split(argument);
    argument.starts_with("--") && (arity(&name).is_some() || matches!(argument, "--help" | "--version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Arguments {
        match parse(arguments.iter().map(OsString::from)) {
            Request::Serve(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    /// The options as `name` or `name=value`, separated by spaces.
    fn options(arguments: &[&str]) -> String {
        let shown = |(name, values): (String, Vec<String>)| match values.as_slice() {
            [] => name,
            values => format!("{name}={}", values.join(",")),
        };
        parsed(arguments).options.into_iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_value_stands_after_its_option_or_in_the_same_argument() {
        assert_eq!(options(&["m:app", "--port", "0", "--host=::1"]), "app=m:app port=0 host=::1");
        assert_eq!(options(&["-w", "4", "-b:80", "-w=2", "m:app"]), "-w=4 -b=:80 -w=2 app=m:app");
        assert_eq!(options(&["--chdir", "/x"]), "chdir=/x");
        assert_eq!(options(&["-Dw", "4", "--", "m:app"]), "-D -w=4 app=m:app");
    }

    #[test]
    fn a_value_may_begin_with_a_dash_unless_it_is_an_option() {
        assert_eq!(options(&["--access-logfile", "-", "--port", "-1"]), "access-logfile=- port=-1");
        assert_eq!(options(&["--port", "--reload"]), "port reload");
    }

    #[test]
    fn a_word_that_may_follow_a_flag_is_not_taken_for_the_application() {
        assert_eq!(options(&["--ws", "none", "m:app"]), "ws=none app=m:app");
        assert_eq!(options(&["--ws", "m:app"]), "ws app=m:app");
        assert_eq!(options(&["--proxy-protocol", "m:app"]), "proxy-protocol app=m:app");
    }

    #[test]
    fn a_word_after_an_unknown_option_is_not_reported_as_surplus() {
        assert_eq!(parsed(&["m:app", "surplus"]).surplus, ["surplus"]);
        assert!(parsed(&["m:app", "--frobnicate", "3"]).surplus.is_empty());
    }

    #[test]
    fn help_and_version_are_found_anywhere_on_the_command_line() {
        assert_eq!(parse(["m:app", "-h"].map(OsString::from)), Request::ShortHelp);
        assert_eq!(parse(["--port", "--help"].map(OsString::from)), Request::FullHelp);
        assert_eq!(parse(["-V"].map(OsString::from)), Request::Version);
    }
}
