//! The description of an option: its names, the kind of value it takes, its default and its help.
//!
//! The options themselves are in [`OPTIONS`]; options that other servers have and Pounce lacks are in
//! [`foreign_options`]. The table is the only place an option is declared: the command line's parser, the keys
//! of a TOML file and the names of environment variables all come from it. What a value *means* is
//! decided where the configuration is assembled.

mod build;
mod foreign;
#[cfg(feature = "file")]
mod schema;
mod table;

use std::borrow::Cow;
use std::time::Duration;

pub use foreign::{Arity, ForeignOption, Verdict, find_foreign, foreign_options};
#[cfg(feature = "file")]
pub use schema::json_schema;
pub use table::OPTIONS;

/// What stands in place of a value that nobody may read.
const HIDDEN: &str = "(hidden)";

/// One option, as every source of configuration knows it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct OptionSpec {
    /// The name in kebab case: `--name`, the TOML key `name`, the variable `POUNCE_NAME`.
    pub name: &'static str,
    /// Other servers' names for it, accepted on the command line and as TOML keys.
    pub aliases: &'static [&'static str],
    /// The short form on the command line.
    pub short: Option<char>,
    /// Whether it is given without a flag, by its position on the command line.
    pub positional: bool,
    /// Whether a TOML file may set it.
    pub in_file: bool,
    /// Whether a program that runs a server may give it: not if it changes the whole process.
    pub in_program: bool,
    /// The kind of its values.
    pub kind: Kind,
    /// The default as a user would write it; `None` if the option has none.
    pub default: Option<&'static str>,
    /// Other servers' spellings of its values, each with Pounce's.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// For a flag that other servers give a value: the words that may follow it.
    pub flag_words: &'static [&'static str],
    /// Other servers' names of implementations; they mean the default and leave a note.
    pub implementations: &'static [&'static str],
    /// Words that other servers accept and Pounce refuses, each with advice.
    pub refusals: &'static [(&'static str, &'static str)],
    /// The placeholder of its value in `--help`; empty for a flag.
    pub value_name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Its heading in `--help`.
    pub section: Section,
    /// A variable that platforms set for any server; the option's own [`env_name`](Self::env_name) wins over it.
    pub variable: Option<&'static str>,
}

/// The kind of an option's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// On or off: `--name` and `--no-name`; elsewhere `true`, `false`, `1`, `0`, `yes`, `no`, `on`, `off`.
    Flag,
    /// Any text.
    Text,
    /// Any text, which no message shows: a password.
    Secret,
    /// The path of a URL, such as `/health`.
    UrlPath,
    /// A URL with the scheme `http` or `https`.
    HttpUrl,
    /// A path, relative to the working directory.
    Path,
    /// A whole number within a range.
    Integer {
        /// The least value accepted.
        min: u64,
        /// The greatest value accepted.
        max: u64,
    },
    /// A whole number; `0` or `none` means no limit.
    Count,
    /// A time: `75`, `1.5`, `10s`, `500ms`, `2m`, `1h`.
    Seconds {
        /// The least time accepted.
        min: Duration,
        /// The greatest time accepted.
        max: Duration,
    },
    /// A number of bytes: `8192`, `64K`, `64KiB`, `1GiB`.
    Size {
        /// The least number of bytes accepted.
        min: u64,
        /// The greatest number of bytes accepted.
        max: u64,
    },
    /// A number of bytes; `0` or `none` means no limit.
    SizeLimit,
    /// The permission bits of a file, octal: `660`.
    Permissions,
    /// Several texts: the flag is repeated, TOML has an array, a variable is split at `separator`.
    List {
        /// Separates the items in an environment variable.
        separator: char,
    },
    /// The name of a header; it becomes lower case.
    FieldName,
    /// Several headers, `NAME: VALUE`: the flag is repeated, TOML has an array, a variable has a line for each.
    Headers,
    /// One of the words.
    Choice(&'static [&'static str]),
    /// A path, or a table: in TOML as such, elsewhere as a JSON object.
    PathOrTable,
    /// Some of the words: repeated or, in any source, separated by commas.
    Choices(&'static [&'static str]),
}

/// The headings of `--help`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Section {
    /// The application and how it is imported and called.
    Application,
    /// Where the server listens.
    Listening,
    /// HTTP/2 and WebSocket.
    Protocols,
    /// Proxies in front of the server.
    Proxies,
    /// Certificates and keys.
    Tls,
    /// The number and kind of workers, and when they are replaced.
    Workers,
    /// The server's process: its directory, user and name.
    Process,
    /// Restarting when files change.
    Reload,
    /// The log and the access log.
    Logging,
    /// How long things may take.
    Timeouts,
    /// How much a client may send.
    Limits,
    /// What answers those who watch the server.
    Health,
    /// What the server counts, and how it is controlled.
    Metrics,
    /// Headers of responses.
    Responses,
    /// Where options come from.
    Configuration,
}

impl OptionSpec {
    /// The environment variable that sets this option: `POUNCE_APP_DIR` for `app-dir`.
    pub fn env_name(&self) -> String {
        format!("POUNCE_{}", self.name.replace('-', "_").to_uppercase())
    }

    /// Whether a later item of the same source is added to the earlier ones rather than replacing them.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List { .. } | Kind::Headers | Kind::Choices(_))
    }

    /// A value of this option as messages may show it.
    pub(crate) fn shown<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match self.kind {
            Kind::Secret => HIDDEN.into(),
            // Passwords are often in the application's environment.
            _ if self.name == "set-env" => match value.split_once('=') {
                Some((variable, _)) => format!("{variable}={HIDDEN}").into(),
                None => HIDDEN.into(),
            },
            Kind::HttpUrl if value.contains('@') => HIDDEN.into(),
            _ => value.into(),
        }
    }

    /// The words the option accepts; empty if it is not a choice.
    pub fn choices(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Choice(words) | Kind::Choices(words) => words,
            _ => &[],
        }
    }

    /// What follows the option's name on the command line.
    pub fn arity(&self) -> Arity {
        match self.kind {
            Kind::Flag if self.flag_words.is_empty() => Arity::Flag,
            Kind::Flag => Arity::FlagOrWord(self.flag_words),
            _ => Arity::Value,
        }
    }

    /// Whether `typed` is this option's name or one of its aliases; `_` and `-` are equal.
    pub fn answers_to(&self, typed: &str) -> bool {
        std::iter::once(&self.name).chain(self.aliases).any(|name| same_name(name, typed))
    }
}

impl Section {
    /// The heading as `--help` prints it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Listening => "Listening",
            Self::Protocols => "Protocols",
            Self::Proxies => "Proxies",
            Self::Tls => "TLS",
            Self::Workers => "Workers",
            Self::Process => "Process",
            Self::Reload => "Reload",
            Self::Logging => "Logging",
            Self::Timeouts => "Timeouts",
            Self::Limits => "Limits",
            Self::Health => "Health",
            Self::Metrics => "Metrics and control",
            Self::Responses => "Responses",
            Self::Configuration => "Configuration",
        }
    }
}

/// The option that has this name or alias, in kebab or snake case and without leading dashes.
pub fn find_option(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|spec| spec.answers_to(name))
}

/// What follows this name on the command line. The name may be an option's, the `no-` form of a flag or another
/// server's option, long without dashes or short as `-x`. `None` for an unknown name.
pub fn arity(typed: &str) -> Option<Arity> {
    let known =
        find_short_or_long(typed).map(OptionSpec::arity).or_else(|| find_foreign(typed).map(|f| f.arity));
    known.or_else(|| {
        let positive = typed.strip_prefix("no-")?;
        let flag = find_option(positive).is_some_and(|spec| spec.kind == Kind::Flag)
            || find_foreign(positive).is_some_and(|foreign| foreign.arity != Arity::Value);
        flag.then_some(Arity::Flag)
    })
}

/// The option of this name or alias, or of this short form (`-x`).
pub(crate) fn find_short_or_long(typed: &str) -> Option<&'static OptionSpec> {
    match typed.strip_prefix('-') {
        Some(short) => OPTIONS.iter().find(|spec| spec.short.is_some_and(|it| short.chars().eq([it]))),
        None => find_option(typed),
    }
}

/// The name of the option that `typed` most resembles, if any; for a misspelt alias, the name of the aliased
/// option.
pub fn close_option(typed: &str) -> Option<&'static str> {
    let typed = typed.replace('_', "-").to_lowercase();
    let names =
        OPTIONS.iter().flat_map(|spec| spec.aliases.iter().chain([&spec.name]).map(move |n| (*n, spec.name)));
    closest(&typed, names)
}

/// The word that `typed` most resembles, if any.
pub(crate) fn close_word(typed: &str, words: &[&'static str]) -> Option<&'static str> {
    closest(&typed.to_lowercase(), words.iter().map(|word| (*word, *word)))
}

fn closest(typed: &str, names: impl Iterator<Item = (&'static str, &'static str)>) -> Option<&'static str> {
    names
        .map(|(name, answer)| (strsim::damerau_levenshtein(typed, name), name, answer))
        // Up to one typing error in five letters counts as the same word.
        .filter(|(distance, name, _)| *distance <= (name.len().min(typed.len()) / 5).max(1))
        .min_by_key(|(distance, ..)| *distance)
        .map(|(_, _, answer)| answer)
}

fn same_name(name: &str, typed: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.bytes().map(plain).eq(typed.bytes().map(plain))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_alias_and_short_form_belongs_to_one_option() {
        let mut seen = HashSet::new();
        for spec in OPTIONS {
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(seen.insert(name.replace('_', "-")), "{name} is declared twice");
            }
            if let Some(short) = spec.short {
                assert!(seen.insert(format!("-{short}")), "-{short} is declared twice");
            }
        }
        for name in foreign_options().flat_map(|foreign| foreign.names) {
            assert!(seen.insert(name.replace('_', "-")), "{name} is declared twice");
        }
    }

    #[test]
    fn no_name_can_be_taken_for_the_no_form_of_a_flag() {
        for spec in OPTIONS {
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(!name.starts_with("no-"), "{name}");
            }
        }
    }

    #[test]
    fn help_is_one_line_and_a_value_has_a_placeholder() {
        for spec in OPTIONS {
            assert!(!spec.help.is_empty() && !spec.help.contains('\n'), "{}", spec.name);
            assert_eq!(spec.value_name.is_empty(), spec.kind == Kind::Flag, "{}", spec.name);
        }
    }

    #[test]
    fn an_option_is_found_by_name_alias_and_snake_case() {
        for typed in ["timeout-keep-alive", "timeout_keep_alive", "keep-alive"] {
            assert_eq!(find_option(typed).map(|spec| spec.name), Some("timeout-keep-alive"), "{typed}");
        }
        assert!(find_option("keep").is_none());
        assert_eq!(find_foreign("limit-request-field-size").map(|found| found.arity), Some(Arity::Value));
    }

    #[test]
    fn a_slip_of_the_finger_is_matched_and_another_word_is_not() {
        assert_eq!(close_option("prot"), Some("port"));
        assert_eq!(close_option("LOG_LEVLE"), Some("log-level"));
        assert_eq!(close_option("gracefull-timeout"), Some("timeout-graceful-shutdown"));
        for other in ["kubernetes", "statsd-host", "hosts-allowed", "workload"] {
            assert_eq!(close_option(other), None, "{other}");
        }
    }
}
