//! Options of uvicorn, granian, gunicorn, hypercorn and daphne that Pounce does not have.
//!
//! A command line that worked there either starts here or says all at once why not: an option without
//! consequences is accepted with a note, any other is refused with what to do. An option whose loss would
//! change what a client sees, what is safe or where the logs go is never just noted.

mod table;

pub use table::foreign_options;

/// An option of another server, or one that Pounce is going to have.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignOption {
    /// Its names: long ones without dashes, short ones as `-x`.
    pub names: &'static [&'static str],
    /// The servers that have it; empty for an option that only later versions of Pounce have.
    pub owners: &'static [&'static str],
    /// What follows its name.
    pub arity: Arity,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Values that ask for what Pounce does anyway; they are accepted with a note.
    pub harmless: &'static [&'static str],
    /// Why it does nothing, or what to do in its place.
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

/// What becomes of an option of another server.
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
    /// What becomes of it with these values.
    pub(crate) fn verdict_on(&self, values: &[String]) -> Verdict {
        let harmless = |value: &String| self.harmless.iter().any(|word| word.eq_ignore_ascii_case(value));
        if !values.is_empty() && values.iter().all(harmless) { Verdict::Ignored } else { self.verdict }
    }

    /// "is uvicorn's and granian's", to stand after its name; empty where no other server has it.
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

/// The other servers' option of this name: a long one without dashes, or a short one as `-x`.
pub fn find_foreign(name: &str) -> Option<&'static ForeignOption> {
    foreign_options().find(|option| option.answers_to(name))
}
