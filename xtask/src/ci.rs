//! `cargo xtask ci`: everything a change must pass, in the order that fails soonest.

use anyhow::Result;

use crate::bench;
use crate::error;
use crate::python::Python;
use crate::tally::Tally;
use crate::test;
use crate::wheel;
use crate::workspace;

/// The Pythons to test, each with alternative names, those likely to fail first.
const MATRIX: [&[&str]; 5] = [&["3.13"], &["3.11"], &["3.12"], &["3.14"], &["3.14t", "3.13t"]];

/// The Python whose neighbours are both in the matrix.
const BETWEEN: &str = "3.12";

/// Options of `cargo xtask ci`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Remove what was built for a Python once its tests have run, for a small disk
    #[arg(long)]
    remove_builds: bool,
}

/// Runs every check, even after one has failed.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let pythons: Vec<Option<Python>> =
        MATRIX.iter().map(|names| names.iter().find_map(|name| Python::find(name))).collect();
    let mut tally = Tally::default();

    tally += step("cargo fmt --check", || {
        workspace::run(workspace::cargo().args(["fmt", "--all", "--check"])).map(|()| Tally::PASSED)
    });
    tally += step("cargo clippy", || {
        let mut cargo = match pythons.iter().flatten().next() {
            Some(python) => python.cargo(),
            None => Python::for_tests(None)?.cargo(),
        };
        cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        workspace::run(&mut cargo).map(|()| Tally::PASSED)
    });
    tally += step("cargo check with ring", || {
        let features = ["--no-default-features", "--features", "ring"];
        workspace::run(workspace::cargo().args(["check", "--package", "pounce-worker"]).args(features))
            .map(|()| Tally::PASSED)
    });
    tally += step("cargo deny check", || {
        if !workspace::is_installed("cargo-deny") {
            println!("skipped: cargo-deny is not installed");
            return Ok(Tally::SKIPPED);
        }
        workspace::run(workspace::cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
        Ok(Tally::PASSED)
    });
    tally += step("cargo deny check advisories", || {
        let fetched = || {
            workspace::cargo()
                .args(["deny", "fetch", "db"])
                .output()
                .is_ok_and(|fetch| fetch.status.success())
        };
        if !workspace::is_installed("cargo-deny") || !fetched() {
            println!("skipped: the database of advisories cannot be fetched");
            return Ok(Tally::SKIPPED);
        }
        workspace::run(workspace::cargo().args(["deny", "check", "advisories"])).map(|()| Tally::PASSED)
    });
    let first = pythons.iter().flatten().next();
    for (names, python) in MATRIX.iter().zip(&pythons) {
        let name = format!("Python {}", names.join(" or "));
        let title = format!("tests with {name}");
        let (Some(python), Some(first)) = (python, first) else {
            let what = if names[0].ends_with('t') { "free-threaded Python" } else { &name };
            tally += step(&title, || {
                println!("skipped: no {what}");
                Ok(Tally::SKIPPED)
            });
            continue;
        };
        if std::ptr::eq(python, first) {
            tally += step(&title, || test::against(python, &[]));
            continue;
        }
        tally += step(&title, || test::of_python(python, first, names[0] == BETWEEN));
        if python.free_threaded {
            tally += step("the Python package with free-threaded Python", || wheel::test(python, false));
        }
        options.remove(python)?;
    }
    if let Some(first) = first {
        options.remove(first)?;
    }
    tally += step("bench --quick", || bench::quick::run(&bench::Options::quick()));
    Ok(tally)
}

impl Options {
    /// Removes what was built for a Python, if asked to.
    fn remove(&self, python: &Python) -> Result<()> {
        if self.remove_builds { workspace::remove_folder(&python.target()) } else { Ok(()) }
    }
}

/// Runs one check under a title. An error is printed and counts as a failure.
fn step(title: &str, check: impl FnOnce() -> Result<Tally>) -> Tally {
    println!("\n== {title}");
    check().unwrap_or_else(|failure| {
        error::print(&failure);
        Tally::FAILED
    })
}
