//! The builder of the table's entries: a name, a kind and a heading, then only what differs from the defaults.

use super::{Kind, OptionSpec, Section};

pub(super) const fn option(name: &'static str, kind: Kind, section: Section) -> OptionSpec {
    OptionSpec {
        name,
        aliases: &[],
        short: None,
        positional: false,
        in_file: true,
        in_program: true,
        kind,
        default: None,
        synonyms: &[],
        flag_words: &[],
        implementations: &[],
        refusals: &[],
        value_name: "",
        help: "",
        section,
        variable: None,
    }
}

impl OptionSpec {
    pub(super) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    pub(super) const fn variable(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }

    pub(super) const fn positional(mut self) -> Self {
        self.positional = true;
        self
    }

    pub(super) const fn not_in_file(mut self) -> Self {
        self.in_file = false;
        self
    }

    /// It changes the whole process, so a program that runs a server cannot give it.
    pub(super) const fn of_process(mut self) -> Self {
        self.in_program = false;
        self
    }

    pub(super) const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    pub(super) const fn synonyms(mut self, synonyms: &'static [(&'static str, &'static str)]) -> Self {
        self.synonyms = synonyms;
        self
    }

    pub(super) const fn flag_words(mut self, words: &'static [&'static str]) -> Self {
        self.flag_words = words;
        self
    }

    pub(super) const fn implementations(mut self, words: &'static [&'static str]) -> Self {
        self.implementations = words;
        self
    }

    pub(super) const fn refusals(mut self, words: &'static [(&'static str, &'static str)]) -> Self {
        self.refusals = words;
        self
    }

    pub(super) const fn value(mut self, placeholder: &'static str) -> Self {
        self.value_name = placeholder;
        self
    }

    pub(super) const fn help(mut self, line: &'static str) -> Self {
        self.help = line;
        self
    }
}
