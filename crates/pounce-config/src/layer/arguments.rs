//! The command line as a layer. The parser has already split arguments into names and values; this module finds
//! the options they name.

use super::{Layers, Origin};
use crate::fault::Problem;
use crate::options::{Arity, ForeignOption, Kind, OptionSpec, find_foreign, find_option, find_short_or_long};

impl Layers {
    /// Adds the options of the command line, in their order: each a name as it was typed, long without dashes or
    /// short as `-x`, and its values.
    ///
    /// Names may be aliases, the `no-` form of a flag, or other servers' options, which leave a note or a
    /// fault. A flag has no value. An unknown name is a fault.
    #[must_use]
    pub fn command_line<N, V>(mut self, arguments: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<str>,
        V: IntoIterator,
        V::Item: Into<String>,
    {
        for (name, values) in arguments {
            let typed = name.as_ref();
            let flag = match find_short_or_long(typed).filter(|spec| spec.positional) {
                Some(spec) => spec.value_name.to_owned(),
                None if typed.starts_with('-') => typed.to_owned(),
                None => format!("--{typed}"),
            };
            let values = values.into_iter().map(Into::into).collect();
            self.argument(typed, values, Origin::CommandLine { flag });
        }
        self
    }

    /// Adds what a program that runs the server gives as keywords. They have the rank of the command line.
    #[must_use]
    pub fn keywords(mut self, keywords: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        for (name, values) in keywords {
            self.argument(&name, values, Origin::Keyword { name: name.clone() });
        }
        self
    }

    fn argument(&mut self, typed: &str, values: Vec<String>, origin: Origin) {
        if let Some(spec) = find_short_or_long(typed) {
            if !spec.in_program && matches!(origin, Origin::Keyword { .. }) {
                self.fault(spec.name, origin, Problem::NotInProgram);
                return;
            }
            let values = match (values.is_empty(), spec.kind) {
                (true, Kind::Flag) => vec!["on".into()],
                // The option refuses the empty value and says what it expected.
                (true, _) => vec![String::new()],
                (false, _) => values,
            };
            self.command_line.set(spec, values, origin);
        } else if let Some(spec) = negated(typed) {
            self.command_line.set(spec, vec!["off".into()], origin);
        } else if let Some(foreign) = find_foreign(typed) {
            self.foreign(foreign, &values, origin);
        } else if let Some(foreign) = negated_foreign(typed) {
            self.foreign(foreign, &["no".into()], origin);
        } else {
            self.unknown(typed, origin);
        }
    }

    /// Reports arguments after the application that belong to no option.
    #[must_use]
    pub fn surplus(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        for argument in arguments {
            let origin = Origin::CommandLine { flag: argument };
            self.fault("app", origin, Problem::Surplus);
        }
        self
    }
}

/// The flag that `no-NAME` turns off.
fn negated(typed: &str) -> Option<&'static OptionSpec> {
    find_option(typed.strip_prefix("no-")?).filter(|spec| spec.kind == Kind::Flag)
}

/// The other server's flag that `no-NAME` would turn off.
fn negated_foreign(typed: &str) -> Option<&'static ForeignOption> {
    find_foreign(typed.strip_prefix("no-")?).filter(|foreign| foreign.arity != Arity::Value)
}
