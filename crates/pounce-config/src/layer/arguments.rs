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
            self.argument(name.as_ref(), values.into_iter().map(Into::into).collect());
        }
        self
    }

    fn argument(&mut self, typed: &str, values: Vec<String>) {
        let flag = if typed.starts_with('-') { typed.to_owned() } else { format!("--{typed}") };
        if let Some(spec) = find_short_or_long(typed) {
            let flag = if spec.positional { spec.value_name.to_owned() } else { flag };
            let values = match (values.is_empty(), spec.kind) {
                (true, Kind::Flag) => vec!["on".into()],
                // The option refuses the empty value and says what it expected.
                (true, _) => vec![String::new()],
                (false, _) => values,
            };
            self.command_line.set(spec, values, Origin::CommandLine { flag });
        } else if let Some(spec) = negated(typed) {
            self.command_line.set(spec, vec!["off".into()], Origin::CommandLine { flag });
        } else if let Some(foreign) = find_foreign(typed) {
            self.foreign(foreign, &values, Origin::CommandLine { flag });
        } else if let Some(foreign) = negated_foreign(typed) {
            self.foreign(foreign, &["no".into()], Origin::CommandLine { flag });
        } else {
            self.unknown(typed, Origin::CommandLine { flag });
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
