//! The sources of options, laid over each other.
//!
//! A layer holds the values of one source, as text, with their origins. Nothing here knows what a value
//! means; that is decided once, when the layers are built into a [`ServerConfig`](crate::ServerConfig).

mod arguments;
mod compat;
mod environment;
#[cfg(feature = "file")]
mod file;

use std::path::PathBuf;

pub use compat::{Compat, ForeignFile, ForeignSettings};
#[cfg(feature = "file")]
pub use file::{ConfigFile, FoundFile, discover};

use crate::fault::{ConfigFault, Problem};
use crate::options::{ForeignOption, OptionSpec, Verdict, close_option, find_option};
use crate::origin::{Origin, Setting};

/// The three sources over the defaults: file, environment and command line, later wins.
///
/// Precedence does not depend on the order of the calls. Giving one source twice adds to it: lists are
/// concatenated, any other option takes the later value.
///
/// ```
/// use pounce_config::Layers;
///
/// let config = Layers::new()
///     .command_line([("app", ["main:app"])])
///     .environment([("POUNCE_PORT".into(), "9000".into())])
///     .build()?;
/// assert_eq!(config.listen.binds, ["127.0.0.1:9000"]);
/// assert_eq!(config.origin("port").to_string(), "POUNCE_PORT in the environment");
/// # Ok::<(), pounce_config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Layers {
    file: Layer,
    environment: Layer,
    command_line: Layer,
    /// Variables that only other servers read, with their values.
    theirs: Vec<(String, String)>,
    faults: Vec<ConfigFault>,
    notes: Vec<String>,
}

/// A source whose values are given as arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Environment,
    CommandLine,
}

/// The values of one source.
#[derive(Debug, Clone, Default)]
struct Layer(Vec<Setting>);

impl Layers {
    /// Defaults only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file that `--config` or `POUNCE_CONFIG` names, for [`discover`].
    pub fn config_path(&self) -> Option<PathBuf> {
        self.path("config")
    }

    /// The path that an option names in the sources so far.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.winner(find_option(name)?)?.values.first().map(PathBuf::from)
    }

    /// The option's value in the highest source that names it.
    pub(crate) fn winner(&self, spec: &OptionSpec) -> Option<&Setting> {
        [&self.command_line, &self.environment, &self.file].into_iter().find_map(|layer| layer.get(spec))
    }

    /// The faults and notes found while reading the sources.
    pub(crate) fn take_findings(&mut self) -> (Vec<ConfigFault>, Vec<String>) {
        self.read_their_variables();
        (std::mem::take(&mut self.faults), std::mem::take(&mut self.notes))
    }

    /// An option of another server: a note if it is harmless, else a fault. `no` as the only value of a flag turns
    /// it off, which Pounce does anyway.
    fn foreign(&mut self, option: &'static ForeignOption, values: &[String], origin: Origin) {
        let off = option.is_turned_off_by(values);
        let verdict = if off { Verdict::Ignored } else { option.verdict_on(values) };
        if verdict != Verdict::Ignored {
            self.fault(option.names[0], origin, Problem::Foreign { option });
            return;
        }
        let name = origin.place();
        let why = match option.verdict {
            Verdict::Ignored => option.advice,
            _ if off => "it is off in any case",
            _ if option.harmless == ["-"] => "logs go to stdout and stderr in any case",
            _ => option.advice,
        };
        self.notes.push(format!("{name} {} and does nothing here: {why}", option.belongs()));
    }

    fn fault(&mut self, option: &str, origin: Origin, problem: Problem) {
        self.faults.push(ConfigFault::new(option, origin, problem));
    }

    fn unknown(&mut self, typed: &str, origin: Origin) {
        let fault = ConfigFault::new(typed, origin, Problem::Unknown);
        self.faults.push(fault.with_close(close_option(typed)));
    }
}

impl Setting {
    /// Whether it comes from a variable that platforms set for any server: no more than a default.
    fn is_of_platform(&self) -> bool {
        matches!(&self.origin, Origin::Environment { name } if self.spec.variable == Some(name))
    }
}

impl Layer {
    fn remove(&mut self, spec: &OptionSpec) {
        self.0.retain(|setting| setting.spec.name != spec.name);
    }

    fn get(&self, spec: &OptionSpec) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.spec.name == spec.name)
    }

    fn set(&mut self, spec: &'static OptionSpec, values: Vec<String>, origin: Origin) {
        match self.0.iter_mut().find(|setting| setting.spec.name == spec.name) {
            Some(setting) if spec.is_list() => setting.values.extend(values),
            Some(setting) => *setting = Setting { spec, values, origin },
            None => self.0.push(Setting { spec, values, origin }),
        }
    }
}
