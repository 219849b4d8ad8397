//! The command line as a layer. Splitting arguments into names and values is the parser's work, not done
//! here; what a name stands for is.

use super::{Layers, Origin};
use crate::options::{IgnoredOption, Kind, OptionSpec, find_ignored, find_option};

impl Layers {
    /// Lays over the options that stood on the command line, in their order: each a long name as it was
    /// typed, without dashes, and its values.
    ///
    /// Names may be aliases, the `no-` form of a flag, or ignored options, which leave a note. A flag has
    /// no value. An unknown name is a fault.
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
        let flag = format!("--{typed}");
        if let Some(spec) = find_option(typed) {
            let flag = if spec.positional { spec.value_name.to_owned() } else { flag };
            let values = match (values.is_empty(), spec.kind) {
                (true, Kind::Flag) => vec!["on".into()],
                // Left for the option to refuse, with what it expected.
                (true, _) => vec![String::new()],
                (false, _) => values,
            };
            self.command_line.set(spec, values, Origin::CommandLine { flag });
        } else if let Some(spec) = negated(typed) {
            self.command_line.set(spec, vec!["off".into()], Origin::CommandLine { flag });
        } else if let Some(ignored) = ignored(typed) {
            self.notes.push(format!("{flag} does nothing here: {}", ignored.note));
        } else {
            self.unknown(typed, Origin::CommandLine { flag });
        }
    }
}

/// The flag that `no-NAME` turns off.
fn negated(typed: &str) -> Option<&'static OptionSpec> {
    find_option(typed.strip_prefix("no-")?).filter(|spec| spec.kind == Kind::Flag)
}

/// The ignored option of this name, or the ignored flag that `no-NAME` would turn off.
fn ignored(typed: &str) -> Option<&'static IgnoredOption> {
    let negated = || find_ignored(typed.strip_prefix("no-")?).filter(|ignored| ignored.values == 0);
    find_ignored(typed).or_else(negated)
}
