//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

use crate::options::OptionSpec;

/// Where a value came from. A later variant wins over an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// No source gave the option.
    Default,
    /// A TOML file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The key as written in the file, with its table; empty for the file as a whole.
        key: String,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// The command line.
    CommandLine {
        /// The flag with its dashes, or the placeholder of a positional argument.
        flag: String,
    },
    /// A keyword of a program that runs the server.
    Keyword {
        /// As the program writes it.
        name: String,
    },
}

/// One option as one source gave it: the texts (several for a list) and their origin.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) spec: &'static OptionSpec,
    pub(crate) values: Vec<String>,
    pub(crate) origin: Origin,
}

impl Origin {
    /// A file as a whole.
    pub(crate) fn file(path: &std::path::Path) -> Self {
        Self::File { path: path.to_owned(), key: String::new() }
    }

    /// The source's precedence: equal for two values of one source.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment { .. } => 2,
            Self::CommandLine { .. } | Self::Keyword { .. } => 3,
        }
    }

    /// In the fewest words: a flag, a keyword, a key with its file, a variable.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::CommandLine { flag } => flag.clone(),
            Self::Keyword { name } => name.clone(),
            origin => origin.to_string(),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.values.iter().map(|value| self.spec.shown(value)).collect();
        write!(out, "{} = {values:?} ({})", self.spec.name, self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("the default"),
            Self::File { path, key } if key.is_empty() => write!(out, "{}", path.display()),
            Self::File { path, key } => write!(out, "{key} in {}", path.display()),
            Self::Environment { name } => write!(out, "{name} in the environment"),
            Self::Keyword { name } => write!(out, "the keyword {name}"),
            Self::CommandLine { flag } => write!(out, "{flag} on the command line"),
        }
    }
}
