//! `cargo xtask conformance h2`: runs the tests of HTTP/2 that name their section of RFC 9113, and prints a table by
//! section.

mod sections;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::server;
use crate::error::hinted;
use crate::python::Python;
use crate::tally::Tally;
use crate::{venv, workspace};
use sections::{Section, Suite};

/// Options of `cargo xtask conformance h2`.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// The pounce to test, or a program that is started like it [default: a fresh build]
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
    /// Sections to test, such as 6.5,8; those below them too [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SECTIONS")]
    section: Vec<Section>,
    /// The Python to build for [default: PYO3_PYTHON, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

/// Runs the tests, prints the table and counts them.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let python = Python::for_tests(options.python.as_deref())?;
    let binary = match &options.server_bin {
        Some(path) => server::named(path)?,
        None => {
            workspace::run(python.cargo().args(["build", "--package", "pounce-cli"]))?;
            python.target().join("debug/pounce")
        }
    };
    let venv = venv::ensure(&python, "venv", "requirements-test.txt")?;
    let mut cases = Vec::new();
    for mut suite in sections::suites(&workspace::root().join("tests/tests/http2"))? {
        let is_asked = |section: &Section| options.section.iter().any(|asked| section.is_within(asked));
        suite.tests.retain(|(section, _)| options.section.is_empty() || is_asked(section));
        if suite.tests.is_empty() {
            continue;
        }
        eprintln!("{}", suite.name);
        let mut cargo = python.cargo();
        cargo.env("POUNCE_TEST_BINARY", &binary).env("POUNCE_TEST_VENV", &venv);
        cases.extend(test(&mut cargo, &suite)?);
    }
    if cases.is_empty() {
        return Err(hinted(
            "no test is about these sections",
            "name sections of RFC 9113, such as `--section 6.5`",
        ));
    }
    print!("\n{}", table(&cases));
    let mut tally = Tally::default();
    cases.iter().for_each(|case| tally += Tally::of(case.passed));
    Ok(tally)
}

/// One test that was run.
struct Case {
    section: Section,
    name: String,
    passed: bool,
    /// Why it failed, or which deviation it was allowed, in one line.
    reason: String,
}

/// Runs the tests of one file.
fn test(cargo: &mut Command, suite: &Suite) -> Result<Vec<Case>> {
    cargo.args(["test", "--quiet", "--package", "pounce-tests", "--test", "http2", "--", "--exact"]);
    cargo.args(["--format=pretty", "--show-output"]).args(suite.tests.iter().map(|(_, name)| name));
    cargo.env("RUST_BACKTRACE", "0").stdout(Stdio::piped());
    let output = cargo.spawn().context("cannot run cargo")?.wait_with_output()?;
    let output = String::from_utf8_lossy(&output.stdout);
    suite
        .tests
        .iter()
        .map(|(section, name)| {
            let result = result_of(&output, name);
            let passed =
                result.with_context(|| format!("{name} did not run, or ended the whole test program"))?;
            let reason = if passed { allowance_of(&output, name) } else { reason_of(&output, name) };
            Ok(Case { section: section.clone(), name: name.clone(), passed, reason })
        })
        .collect()
}

/// Reads `test NAME ... ok`.
fn result_of(output: &str, name: &str) -> Option<bool> {
    let start = format!("test {name} ... ");
    output.lines().find_map(|line| line.strip_prefix(&start)).map(|result| result == "ok")
}

/// The first line of a failed test's message.
fn reason_of(output: &str, name: &str) -> String {
    let start = format!("---- {name} stdout ----");
    let mut said = output.lines().skip_while(|line| *line != start).skip(1);
    let said = said.find(|line| !line.is_empty() && !line.starts_with("thread ")).unwrap_or_default();
    said.chars().take(160).collect()
}

/// The deviation from the RFC that a passed test was allowed.
fn allowance_of(output: &str, name: &str) -> String {
    let start = format!("---- {name} stdout ----");
    let said = output.lines().skip_while(|line| *line != start).skip(1);
    let mut said = said.take_while(|line| !line.starts_with("---- "));
    said.find(|line| line.starts_with("allowed: ")).unwrap_or_default().to_owned()
}

/// A line for each section, and one for each test that failed.
fn table(cases: &[Case]) -> String {
    let mut sections: BTreeMap<&Section, [u32; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for case in cases {
        let place = if !case.passed { 2 } else { usize::from(!case.reason.is_empty()) };
        sections.entry(&case.section).or_default()[place] += 1;
        total[place] += 1;
    }
    let mut table = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(table, "{:<44}{:>6}{:>8}{:>9}{:>8}", "RFC 9113", "cases", "passed", "allowed", "failed");
    let named = sections.iter().map(|(section, counts)| (format!("{section} {}", section.title()), *counts));
    for (name, [passed, allowed, failed]) in named.chain([("all".to_owned(), total)]) {
        let _ =
            writeln!(table, "{name:<44}{:>6}{passed:>8}{allowed:>9}{failed:>8}", passed + allowed + failed);
    }
    for case in cases.iter().filter(|case| !case.reason.is_empty()) {
        let _ = writeln!(table, "{} {}: {}", case.section, case.name, case.reason);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 2 tests
test good ... ok
test bad ... FAILED

failures:

---- bad stdout ----

thread 'bad' (5) panicked at tests/src/h2/expect.rs:37:9:
Nothing instead of a connection error [PROTOCOL_ERROR]

test result: FAILED. 1 passed; 1 failed
";

    #[test]
    fn results_and_reasons_are_read_from_the_output() {
        assert_eq!(result_of(OUTPUT, "good"), Some(true));
        assert_eq!(result_of(OUTPUT, "bad"), Some(false));
        assert_eq!(result_of(OUTPUT, "other"), None);
        assert_eq!(reason_of(OUTPUT, "bad"), "Nothing instead of a connection error [PROTOCOL_ERROR]");
    }

    #[test]
    fn the_table_counts_by_section_and_names_what_was_allowed_or_failed() {
        let case = |section: &str, passed, reason: &str| Case {
            section: section.parse().unwrap(),
            name: "a_rule".into(),
            passed,
            reason: reason.into(),
        };
        let allowed = case("6.10", true, "allowed: that");
        let table = table(&[allowed, case("6.9", true, ""), case("6.9", false, "why")]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("6.9 WINDOW_UPDATE"), "{table}");
        assert!(lines[1].ends_with("2       1        0       1"), "{table}");
        assert!(lines[2].starts_with("6.10 "), "{table}");
        assert!(lines[2].ends_with("1       0        1       0"), "{table}");
        assert_eq!(lines[4..], ["6.10 a_rule: allowed: that", "6.9 a_rule: why"]);
    }
}
