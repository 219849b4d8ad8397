//! Environment variables as a layer. The process's environment is an argument; nothing here reads it.

use super::{Layers, Origin, compat};
use crate::options::{Kind, OPTIONS, close_option};

const PREFIX: &str = "POUNCE_";
const FOREIGN_PREFIXES: &[&str] = &["UVICORN_", "GRANIAN_", "HYPERCORN_"];
/// Variables without a prefix that only other servers read.
const FOREIGN_VARIABLES: &[&str] = &[compat::GUNICORN_ARGUMENTS];

impl Layers {
    /// Adds the variables that begin with `POUNCE_`; almost all others are ignored.
    ///
    /// Aliases do not count here. `WEB_CONCURRENCY`, which platforms set for any server, gives the workers if
    /// `POUNCE_WORKERS` does not. An empty value counts as not set. A list is split at commas, `POUNCE_HEADER` at
    /// line breaks. A variable that names no option leaves a note rather than a fault, because other programs share
    /// the environment. One note names the variables that other servers would read and [`compat`](Self::compat) does not name.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut common = Vec::new();
        for (name, value) in variables {
            if is_foreign(&name, &value) {
                self.theirs.push((name, value));
            } else if let Some(rest) = name.strip_prefix(PREFIX) {
                self.variable(&name, rest, &value);
            } else if let Some(spec) = OPTIONS.iter().find(|spec| spec.variable == Some(name.as_str())) {
                common.push((spec, name, value));
            }
        }
        for (spec, name, value) in common {
            if self.environment.get(spec).is_none() && !value.is_empty() {
                self.environment.set(spec, vec![value], Origin::Environment { name });
            }
        }
        self
    }

    fn variable(&mut self, name: &str, rest: &str, value: &str) {
        let Some(spec) = OPTIONS.iter().find(|spec| spec.env_name() == name) else {
            let close = close_option(rest).and_then(crate::options::find_option);
            let hint = close.map(|spec| format!("; did you mean {}?", spec.env_name())).unwrap_or_default();
            self.notes.push(format!("{name} in the environment names no option{hint}"));
            return;
        };
        // Kubernetes sets NAME_PORT for every service of the namespace, and a service may be called pounce.
        if spec.name == "port" && value.starts_with("tcp://") {
            self.notes.push(format!("{name} in the environment is a Kubernetes service link, not a port"));
            return;
        }
        let values: Vec<String> = match spec.kind {
            Kind::List { separator } => value.split(separator).map(|item| item.trim().to_owned()).collect(),
            // A header's value may hold commas, never a line break.
            Kind::Headers => value.split('\n').map(|item| item.trim().to_owned()).collect(),
            _ => vec![value.to_owned()],
        };
        let values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
        if !values.is_empty() {
            self.environment.set(spec, values, Origin::Environment { name: name.to_owned() });
        }
    }
}

/// Whether another server reads the variable.
fn is_foreign(name: &str, value: &str) -> bool {
    let theirs = FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    // Kubernetes sets these for a service with the name of the server.
    let of_a_service = name.contains("_SERVICE_") || name.contains("_PORT_") || value.starts_with("tcp://");
    (theirs && !of_a_service && !value.is_empty()) || FOREIGN_VARIABLES.contains(&name)
}

/// The note about variables of other servers.
pub(super) fn unread(mut names: Vec<String>) -> Option<String> {
    names.sort();
    let (last, first) = names.split_last()?;
    let (names, are) = match first {
        [] => (last.clone(), "is"),
        _ => (format!("{} and {last}", first.join(", ")), "are"),
    };
    let server = match last.split('_').next() {
        Some("UVICORN") => Some("uvicorn"),
        Some("GRANIAN") => Some("granian"),
        Some("GUNICORN") => Some("gunicorn"),
        _ => None,
    };
    let compat = server.map(|server| format!(", and theirs with --compat {server}")).unwrap_or_default();
    Some(format!(
        "{names} in the environment {are} not read: Pounce reads POUNCE_ and an option's name, such as POUNCE_PORT{compat}"
    ))
}
