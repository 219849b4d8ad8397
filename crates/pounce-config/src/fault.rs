//! The faults of a configuration and their messages.
//!
//! A configuration with several faults reports them all at once. Notes, which do not stop a server, are plain lines
//! without a type.

use std::fmt;

use crate::options::{ForeignOption, Verdict, find_option};
use crate::origin::Origin;

/// Every fault of one configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ConfigErrors(pub Vec<ConfigFault>);

impl ConfigErrors {
    /// The one fault of a file that is a program and failed.
    pub fn unusable_file(path: &std::path::Path, reason: String) -> Self {
        let origin = Origin::file(path);
        ConfigFault::new("config", origin, Problem::Failed { reason }).into()
    }

    /// The hints that `hint` has for the faults, in their order, each once.
    pub fn hints(&self, hint: impl Fn(&ConfigFault) -> Option<String>) -> Vec<String> {
        let mut hints = Vec::new();
        for hint in self.0.iter().filter_map(hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }
}

/// One fault: the option, its value, where it was given, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// The option's name, or the unknown name as it was typed.
    pub option: String,
    /// The value as it was given; `None` if the fault is not in a value.
    pub value: Option<String>,
    /// Where it was given.
    pub origin: Origin,
    /// The fault.
    pub problem: Problem,
    /// The name or word the user probably meant.
    pub close: Option<&'static str>,
}

/// The kind of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The option does not take this value.
    Invalid {
        /// What it takes.
        expected: String,
    },
    /// No option has this name.
    Unknown,
    /// Another server has the option, and this version of Pounce does not.
    Foreign {
        /// Its entry in the table.
        option: &'static ForeignOption,
    },
    /// The file is a Python program, of an unknown server.
    ForeignFile,
    /// An argument after the application that belongs to no option.
    Surplus,
    /// The option is required and nothing gave it.
    Missing {
        /// What it takes.
        expected: String,
    },
    /// One source gives the option twice.
    Repeated,
    /// The option names the file and cannot be set in it.
    NotInFile,
    /// The option changes the whole process, and a program gives it to a server that is a part of it.
    NotInProgram,
    /// A file could not be read.
    Unreadable {
        /// The system's error.
        reason: String,
    },
    /// A file that is a program failed.
    Failed {
        /// What it raised.
        reason: String,
    },
    /// A file is not TOML.
    Malformed {
        /// The parser's message, with line and column.
        reason: String,
    },
}

impl ConfigFault {
    pub(crate) fn new(option: impl Into<String>, origin: Origin, problem: Problem) -> Self {
        Self { option: option.into(), value: None, origin, problem, close: None }
    }

    pub(crate) fn invalid(
        option: &str,
        value: impl Into<String>,
        origin: Origin,
        expected: impl Into<String>,
    ) -> Self {
        let problem = Problem::Invalid { expected: expected.into() };
        Self { value: Some(value.into()), ..Self::new(option, origin, problem) }
    }

    /// What the user can do, in one line, if known.
    pub fn hint(&self) -> Option<String> {
        match &self.problem {
            Problem::Foreign { option } => Some(format!("{}: {}", self.origin.place(), option.advice)),
            Problem::ForeignFile => Some(
                "say whose it is with --compat gunicorn or --compat hypercorn, or write the options into pounce.toml"
                    .into(),
            ),
            Problem::Invalid { .. } => {
                let value = self.value.as_deref()?;
                let mut refusals = find_option(&self.option)?.refusals.iter();
                let refusal = refusals.find(|(word, _)| word.eq_ignore_ascii_case(value));
                refusal.map(|(_, advice)| (*advice).to_owned())
            }
            _ => None,
        }
    }

    fn on_command_line(&self) -> bool {
        matches!(self.origin, Origin::CommandLine { .. })
    }

    pub(crate) fn with_close(self, close: Option<&'static str>) -> Self {
        Self { close, ..self }
    }
}

impl From<ConfigFault> for ConfigErrors {
    fn from(fault: ConfigFault) -> Self {
        Self(vec![fault])
    }
}

impl std::error::Error for ConfigFault {}

impl fmt::Display for ConfigFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, origin, .. } = self;
        match &self.problem {
            Problem::Invalid { expected } => {
                let value = self.value.as_deref().unwrap_or_default();
                write!(out, "{option}: expected {expected}, not {value:?} ({origin})")?;
            }
            // The flag alone says what was typed and where.
            Problem::Unknown if self.on_command_line() => {
                write!(out, "{}: no such option", self.origin.place())?;
                return match self.close {
                    Some(close) => write!(out, "; did you mean --{close}?"),
                    None => Ok(()),
                };
            }
            Problem::Unknown => write!(out, "{option}: no such option ({origin})")?,
            Problem::Foreign { option } => {
                let absent = match option.verdict {
                    Verdict::NotYet => "is not yet in this version of Pounce",
                    _ if option.harmless.is_empty() => "Pounce does not have it",
                    _ => "Pounce takes only",
                };
                write!(out, "{}", self.origin.place())?;
                match option.belongs().as_str() {
                    "" => write!(out, " {absent}")?,
                    belongs if option.verdict == Verdict::NotYet => write!(out, " {belongs} and {absent}")?,
                    belongs => write!(out, " {belongs}; {absent}")?,
                }
                if option.verdict == Verdict::Refused && !option.harmless.is_empty() {
                    write!(out, " {}", option.harmless.join(", "))?;
                }
            }
            Problem::ForeignFile => {
                write!(out, "{origin}: this is a Python program, gunicorn's or hypercorn's")?
            }
            Problem::Surplus => write!(
                out,
                "{}: no option takes this argument, and APP is named already",
                self.origin.place()
            )?,
            Problem::Missing { expected } => write!(out, "{option}: nothing given, expected {expected}")?,
            Problem::Repeated => write!(out, "{option}: given twice ({origin})")?,
            Problem::NotInFile => write!(out, "{option}: cannot be set in a file ({origin})")?,
            Problem::NotInProgram => write!(
                out,
                "{option}: belongs to the command line, because it changes the whole process ({origin})"
            )?,
            Problem::Unreadable { reason } => write!(out, "{origin}: cannot be read: {reason}")?,
            Problem::Failed { reason } => write!(out, "{origin}: {reason}")?,
            Problem::Malformed { reason } => write!(out, "{origin}: not valid TOML: {reason}")?,
        }
        match self.close {
            Some(close) => write!(out, "; did you mean {close:?}?"),
            None => Ok(()),
        }
    }
}

fn lines(faults: &[ConfigFault]) -> String {
    faults.iter().map(ConfigFault::to_string).collect::<Vec<_>>().join("\n")
}
