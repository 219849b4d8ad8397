//! Options of uvicorn, granian, gunicorn, hypercorn and daphne that Pounce does not have.
//!
//! A command line written for another server either works or fails with all reasons at once: an option without
//! consequences is accepted with a note, any other is refused with advice. An option whose loss would change
//! responses, security or the place of the logs is never merely noted.

mod table;

pub use table::foreign_options;

/// An option of another server, or one that Pounce plans.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignOption {
    /// Its names: long ones without dashes, short ones as `-x`.
    pub names: &'static [&'static str],
    /// The servers that have it; empty for an option that only Pounce plans.
    pub owners: &'static [&'static str],
    /// What follows its name.
    pub arity: Arity,
    /// How Pounce treats it.
    pub verdict: Verdict,
    /// Values that ask for what Pounce does anyway; they are accepted with a note.
    pub harmless: &'static [&'static str],
    /// Why it does nothing, or what to do instead.
    pub advice: &'static str,
}

/// What follows the name of an option on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arity {
    /// Nothing.
    Flag,
    /// Nothing, or one of these words.
    FlagOrWord(&'static [&'static str]),
    /// A value.
    Value,
}

/// How Pounce treats an option of another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is accepted and leaves a note.
    Ignored,
    /// It is refused until a later version has it.
    NotYet,
    /// It is refused.
    Refused,
}

impl ForeignOption {
    /// How Pounce treats it with these values.
    pub(crate) fn verdict_on(&self, values: &[String]) -> Verdict {
        let harmless = |value: &String| self.harmless.iter().any(|word| word.eq_ignore_ascii_case(value));
        if !values.is_empty() && values.iter().all(harmless) { Verdict::Ignored } else { self.verdict }
    }

    /// Whether it is a flag that these values turn off, which Pounce does anyway.
    pub(crate) fn is_turned_off_by(&self, values: &[String]) -> bool {
        self.arity != Arity::Value && matches!(values, [value] if crate::value::flag(value) == Some(false))
    }

    /// "is uvicorn's and granian's", for a message after its name; empty if no other server has it.
    pub(crate) fn belongs(&self) -> String {
        match self.owners {
            [] => String::new(),
            [owner] => format!("is {owner}'s"),
            [first @ .., last] => {
                let first: Vec<String> = first.iter().map(|owner| format!("{owner}'s")).collect();
                format!("is {} and {last}'s", first.join(", "))
            }
        }
    }

    fn answers_to(&self, typed: &str) -> bool {
        self.names.iter().any(|name| super::same_name(name, typed))
    }
}

/// Another server's option of this name, long without dashes or short as `-x`.
pub fn find_foreign(name: &str) -> Option<&'static ForeignOption> {
    foreign_options().find(|option| option.answers_to(name))
}
