//! `cargo xtask conformance asyncio`: four test suites of asyncio that others wrote, with Pounce's loop in place of asyncio's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Deserialize;

use crate::python::Python;
use crate::tally::Tally;
use crate::{wheel, workspace};

/// The Pythons that are tested if none is named.
const VERSIONS: [&str; 4] = ["3.12", "3.13", "3.14", "3.15"];

/// Options of `cargo xtask conformance asyncio`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A Python to test on; may be given several times [default: 3.12, 3.13, 3.14 and 3.15, as far as they are found]
    #[arg(long, value_name = "PATH")]
    python: Vec<PathBuf>,
    /// The suites to run [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SUITES")]
    suite: Vec<Suite>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    Cpython,
    Uvloop,
    Anyio,
    Aiohttp,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Cpython => "cpython",
            Self::Uvloop => "uvloop",
            Self::Anyio => "anyio",
            Self::Aiohttp => "aiohttp",
        }
    }
}

/// What `tests/conformance/run.py` prints.
#[derive(Deserialize)]
struct Outcome {
    passed: u64,
    failed: Vec<String>,
    /// How many tests were skipped for each reason.
    skipped: BTreeMap<String, u64>,
    /// Tests that fail with asyncio's own loop on this machine as well.
    fails_on_asyncio: Vec<String>,
    /// Tests that failed in the whole run, and passed on their own.
    failed_once: Vec<String>,
}

/// Runs the suites on each Python, prints a line for each and why tests were skipped, and counts the tests.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let pythons: Vec<Python> = match options.python.as_slice() {
        [] => VERSIONS.iter().filter_map(|version| Python::find(version)).collect(),
        named => named.iter().map(|path| Python::probe(path)).collect::<Result<_>>()?,
    };
    let suites = if options.suite.is_empty() { Suite::value_variants() } else { &options.suite };
    let mut tally = Tally::default();
    for python in &pythons {
        let venv = wheel::loop_venv(python)?;
        for suite in suites {
            let outcome = test(&venv, *suite)?;
            tally += print(python, *suite, &outcome);
        }
    }
    Ok(tally)
}

fn test(venv: &Path, suite: Suite) -> Result<Outcome> {
    eprintln!("running the tests of {}", suite.name());
    let mut python = Command::new(venv.join("bin/python"));
    python.arg(workspace::root().join("tests/conformance/run.py")).arg(suite.name());
    if suite != Suite::Cpython {
        python.arg(sources(venv, suite.name())?);
    }
    let printed = workspace::output(&mut python)?;
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("the tests of {} printed no outcome", suite.name()))
}

/// The source distribution of the version that is installed, without the package itself: its tests are to find the installed one.
fn sources(venv: &Path, package: &str) -> Result<PathBuf> {
    let shown =
        workspace::output(Command::new(venv.join("bin/python")).args(["-m", "pip", "show", package]))?;
    let version = shown.lines().find_map(|line| line.strip_prefix("Version: "));
    let name = format!("{package}-{}", version.with_context(|| format!("{package} is not installed"))?);
    let folder = workspace::target().join("conformance");
    let sources = folder.join(&name);
    if sources.join("tests").exists() {
        return Ok(sources);
    }
    fs::create_dir_all(&folder)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"]);
    workspace::run(pip.arg(&folder).arg(name.replacen('-', "==", 1)))?;
    workspace::run(Command::new("tar").current_dir(&folder).arg("-xzf").arg(format!("{name}.tar.gz")))?;
    let own = sources.join(package);
    if own.exists() {
        fs::rename(&own, sources.join("not_imported"))?;
    }
    Ok(sources)
}

fn print(python: &Python, suite: Suite, outcome: &Outcome) -> Tally {
    let skipped = outcome.skipped.values().sum::<u64>() + outcome.fails_on_asyncio.len() as u64;
    let passed = outcome.passed + outcome.failed_once.len() as u64;
    let tally = Tally { passed, failed: outcome.failed.len() as u64, skipped };
    println!("{} on Python {}: {tally}", suite.name(), python.full_version);
    for name in &outcome.failed {
        println!("    failed: {name}");
    }
    for name in &outcome.failed_once {
        println!("    passed only on its own: {name}");
    }
    for (reason, count) in &outcome.skipped {
        println!("    skipped {count}: {reason}");
    }
    for name in &outcome.fails_on_asyncio {
        println!("    skipped, asyncio's own loop fails it on this machine: {name}");
    }
    tally
}
