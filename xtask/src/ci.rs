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

/// Runs every check, even after one has failed.
pub(crate) fn run() -> Result<Tally> {
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
        let title = format!("tests with Python {}", names.join(" or "));
        tally += step(&title, || match (python, first) {
            (Some(python), Some(first)) if !std::ptr::eq(python, first) => {
                test::of_python(python, first, names[0] == BETWEEN)
            }
            (Some(python), _) => test::against(python, &[]),
            (None, _) if names[0].ends_with('t') => {
                println!("skipped: no free-threaded Python");
                Ok(Tally::SKIPPED)
            }
            (None, _) => {
                println!("skipped: no Python {}", names[0]);
                Ok(Tally::SKIPPED)
            }
        });
    }
    tally += step("the Python package with free-threaded Python", || match pythons.last() {
        Some(Some(python)) => wheel::test(python, false),
        _ => Ok(Tally::SKIPPED),
    });
    tally += step("bench --quick", || bench::quick::run(&bench::Options::quick()));
    Ok(tally)
}

/// Runs one check under a title. An error is printed and counts as a failure.
fn step(title: &str, check: impl FnOnce() -> Result<Tally>) -> Tally {
    println!("\n== {title}");
    check().unwrap_or_else(|failure| {
        error::print(&failure);
        Tally::FAILED
    })
}
