//! The table of other servers' options, by subject.

mod application;
mod network;
mod operation;

use super::{Arity, ForeignOption, Verdict};

const UVICORN: &[&str] = &["uvicorn"];
const GRANIAN: &[&str] = &["granian"];
const GUNICORN: &[&str] = &["gunicorn"];
const HYPERCORN: &[&str] = &["hypercorn"];
const DAPHNE: &[&str] = &["daphne"];
const GUNICORN_HYPERCORN: &[&str] = &["gunicorn", "hypercorn"];
const UVICORN_GUNICORN: &[&str] = &["uvicorn", "gunicorn"];
/// The owners of options that only Pounce plans.
const PLANNED: &[&str] = &[];
const METRICS: &str = "metrics have an address of their own: use --metrics-bind HOST:PORT";
const STATSD: &str =
    "use --metrics-bind, which Prometheus and most agents read, or a StatsD client in the application";

/// Every option of these servers that is neither an option of Pounce nor an alias of one.
pub fn foreign_options() -> impl Iterator<Item = &'static ForeignOption> {
    [application::APPLICATION, network::NETWORK, operation::OPERATION].into_iter().flatten()
}

const fn option(
    owners: &'static [&'static str],
    arity: Arity,
    verdict: Verdict,
    names: &'static [&'static str],
    advice: &'static str,
) -> ForeignOption {
    ForeignOption { names, owners, arity, verdict, harmless: &[], advice }
}

impl ForeignOption {
    const fn harmless(mut self, words: &'static [&'static str]) -> Self {
        self.harmless = words;
        self
    }
}
