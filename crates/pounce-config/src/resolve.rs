//! Options by name and type, out of the layers. Faults are collected rather than returned, so that one run finds
//! them all; the default replaces a faulty value.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::fault::{ConfigFault, Problem};
use crate::layer::Layers;
use crate::options::{Kind, OPTIONS, OptionSpec, close_word};
use crate::origin::{Origin, Setting};
use crate::value::header::header;
use crate::value::{self, Value};

/// The setting of every option in the table, and the faults found so far.
pub(crate) struct Resolver {
    pub(crate) settings: Vec<Setting>,
    pub(crate) faults: Vec<ConfigFault>,
    pub(crate) notes: Vec<String>,
}

impl Resolver {
    pub(crate) fn new(mut layers: Layers) -> Self {
        let (faults, notes) = layers.take_findings();
        let settings = OPTIONS.iter().map(|spec| match layers.winner(spec) {
            Some(setting) => setting.clone(),
            None => default(spec),
        });
        Self { settings: settings.collect(), faults, notes }
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.required(name, |_, text| value::flag(text))
    }

    pub(crate) fn optional_flag(&mut self, name: &str) -> Option<bool> {
        self.optional(name, |_, text| value::flag(text))
    }

    pub(crate) fn integer(&mut self, name: &str) -> u64 {
        self.required(name, integer)
    }

    pub(crate) fn optional_integer(&mut self, name: &str) -> Option<u64> {
        self.optional(name, integer)
    }

    pub(crate) fn seconds(&mut self, name: &str) -> Duration {
        self.required(name, seconds)
    }

    pub(crate) fn optional_seconds(&mut self, name: &str) -> Option<Duration> {
        self.optional(name, seconds)
    }

    /// The value of an option by its kind; `None` where there is none, and where the text says so.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        let spec = self.settings[self.index(name)].spec;
        if spec.kind == Kind::Headers {
            return Some(Value::Headers(self.list(name, None, header)));
        }
        let parsed = self.parsed(name, None, Value::parse);
        parsed.or_else(|| Value::parse(spec.kind, spec.default?)).flatten()
    }

    /// A word of the option's [`Kind::Choice`], as the enum that names the same words.
    pub(crate) fn choice<T: DeserializeOwned>(&mut self, name: &str) -> T {
        self.required(name, |_, text| word(text))
    }

    /// As [`choice`](Self::choice), for an option without a default.
    pub(crate) fn optional_choice<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.optional(name, |_, text| word(text))
    }

    /// The words of the option's [`Kind::Choices`], separated by commas in any source.
    pub(crate) fn choices<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let at = self.index(name);
        let words = self.settings[at].values.iter().flat_map(|value| value.split(','));
        self.settings[at].values =
            words.map(|word| word.trim().to_owned()).filter(|w| !w.is_empty()).collect();
        self.list(name, None, word)
    }

    pub(crate) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.optional(name, |_, text| value::path(text)).map(PathBuf::from)
    }

    pub(crate) fn permissions(&mut self, name: &str) -> Option<u32> {
        self.optional(name, |_, text| value::permissions(text))
    }

    /// A text that `parse` accepts; `expected` describes such a text.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed(name, Some(expected), |_, text| parse(text))
    }

    /// All items of a list that `parse` accepts, and a fault for every other.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        expected: Option<&str>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let at = self.index(name);
        let setting = &self.settings[at];
        let mut parsed = Vec::with_capacity(setting.values.len());
        let mut faults = Vec::new();
        for text in &setting.values {
            match parse(text) {
                Some(item) => parsed.push(item),
                None => faults.push(fault(setting, text, expected)),
            }
        }
        self.faults.extend(faults);
        parsed
    }

    /// Reports a required option that no source gave.
    pub(crate) fn missing(&mut self, name: &str, expected: &str) {
        let problem = Problem::Missing { expected: expected.into() };
        self.faults.push(ConfigFault::new(name, Origin::Default, problem));
    }

    pub(crate) fn origin(&self, name: &str) -> &Origin {
        &self.settings[self.index(name)].origin
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        *self.origin(name) != Origin::Default
    }

    fn required<T>(&mut self, name: &str, parse: impl Fn(Kind, &str) -> Option<T>) -> T {
        if let Some(value) = self.parsed(name, None, &parse) {
            return value;
        }
        let spec = self.settings[self.index(name)].spec;
        // Options read through here have a valid default, which the tests of the table check.
        spec.default.and_then(|text| parse(spec.kind, text)).expect("a default that is valid")
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(Kind, &str) -> Option<T>) -> Option<T> {
        self.parsed(name, None, parse)
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        expected: Option<&str>,
        parse: impl Fn(Kind, &str) -> Option<T>,
    ) -> Option<T> {
        let at = self.index(name);
        let setting = &self.settings[at];
        let given = setting.values.first()?;
        let spec = setting.spec;
        let synonym = spec.synonyms.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(given));
        let implementation = spec.implementations.iter().any(|word| word.eq_ignore_ascii_case(given));
        let text = match synonym {
            Some((_, ours)) => ours,
            None if implementation => spec.default.unwrap_or_default(),
            None => given.as_str(),
        };
        let parsed = parse(spec.kind, text);
        if implementation {
            let origin = &setting.origin;
            self.notes.push(format!(
                "{} {given} ({origin}) does nothing here: Pounce has its own implementation",
                spec.name
            ));
        }
        if parsed.is_none() {
            self.faults.push(fault(setting, given, expected));
        }
        parsed
    }

    fn index(&self, name: &str) -> usize {
        // Only this crate writes names, and the tests read every option.
        self.settings.iter().position(|setting| setting.spec.name == name).expect("an option of the table")
    }
}

fn default(spec: &'static OptionSpec) -> Setting {
    let values = spec.default.map(str::to_owned).into_iter().collect();
    Setting { spec, values, origin: Origin::Default }
}

fn fault(setting: &Setting, text: &str, expected: Option<&str>) -> ConfigFault {
    let spec = setting.spec;
    let expected = match expected {
        Some(expected) => expected.to_owned(),
        None if spec.flag_words.is_empty() => spec.kind.expected(),
        None => crate::value::one_of(spec.flag_words, "or"),
    };
    let fault = ConfigFault::invalid(spec.name, spec.shown(text), setting.origin.clone(), expected);
    fault.with_close(close_word(text, spec.choices()))
}

fn integer(kind: Kind, text: &str) -> Option<u64> {
    match kind {
        Kind::Integer { min, max } => value::integer(text, min, max),
        _ => None,
    }
}

fn seconds(kind: Kind, text: &str) -> Option<Duration> {
    match kind {
        Kind::Seconds { min, max } => value::seconds(text, min, max),
        _ => None,
    }
}

fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    let text = text.to_ascii_lowercase();
    let text: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
    T::deserialize(text).ok()
}
