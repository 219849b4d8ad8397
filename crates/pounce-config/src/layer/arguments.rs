//! The command line as a layer. The parser has already split arguments into names and values; this module finds
//! the options they name.

use super::{Layers, Origin, Setting, Source, compat};
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
        let arguments: Vec<(N, Vec<String>)> = arguments
            .into_iter()
            .map(|(name, values)| (name, values.into_iter().map(Into::into).collect()))
            .collect();
        let named = arguments.iter().rfind(|(name, _)| name.as_ref() == "compat");
        let named = named.and_then(|(_, values)| compat::compat(values.first()?));
        let compat = named.or_else(|| self.compat());
        for (name, values) in arguments {
            let typed = compat.map_or(name.as_ref(), |compat| compat.argument(name.as_ref()));
            let flag = match find_short_or_long(typed).filter(|spec| spec.positional) {
                Some(spec) => spec.value_name.to_owned(),
                None if name.as_ref().starts_with('-') => name.as_ref().to_owned(),
                None => format!("--{typed}"),
            };
            self.argument(Source::CommandLine, typed, values, Origin::CommandLine { flag });
        }
        self
    }

    /// Adds what a program that runs the server gives as keywords. They have the rank of the command line.
    #[must_use]
    pub fn keywords(mut self, keywords: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        for (name, values) in keywords {
            self.argument(Source::CommandLine, &name, values, Origin::Keyword { name: name.clone() });
        }
        self
    }

    pub(super) fn argument(&mut self, source: Source, typed: &str, values: Vec<String>, origin: Origin) {
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
            self.set(source, spec, values, origin);
        } else if let Some(spec) = negated(typed) {
            self.set(source, spec, vec!["off".into()], origin);
        } else if let Some(foreign) = find_foreign(typed) {
            self.foreign(foreign, &values, origin);
        } else if let Some(foreign) = negated_foreign(typed) {
            self.foreign(foreign, &["no".into()], origin);
        } else {
            self.unknown(typed, origin);
        }
    }

    /// Sets an option that an argument names. In the environment a variable of its own wins over it.
    fn set(&mut self, source: Source, spec: &'static OptionSpec, values: Vec<String>, origin: Origin) {
        let layer = match source {
            Source::CommandLine => &mut self.command_line,
            Source::Environment => &mut self.environment,
        };
        let is_set = |set: &Setting| set.origin != origin && !set.is_of_platform();
        let by_variable = source == Source::Environment && layer.get(spec).is_some_and(is_set);
        if !by_variable {
            layer.set(spec, values, origin);
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
