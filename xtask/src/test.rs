//! `cargo xtask test`: the whole workspace's tests against one or several Pythons, and one line of totals.

use std::io::{BufRead, BufReader, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::python::Python;
use crate::tally::Tally;
use crate::venv;
use crate::wheel;
use crate::workspace;

/// The test programs that depend on the Python version.
const OF_PYTHON: [&str; 7] = ["app", "http1", "operation", "services", "transport", "websocket", "workers"];

/// Those of them that a Python between the oldest and the newest is tested with: what holds for both holds for it.
const OF_PYTHON_BETWEEN: [&str; 3] = ["app", "services", "workers"];

/// Tests in these programs that do not: tests of bytes on the wire, of options and of files, and of transports that differ
/// below the bridge.
const OF_PROTOCOL: [&str; 19] = [
    "access_log::",
    "chunks::",
    "connections::",
    "deploy::",
    "framing::",
    "head::",
    "hostile::",
    "listening::",
    "options::",
    "ping::",
    "proxies::",
    "readers::",
    "request_ids::",
    "slow::",
    "systemd::",
    "volume::",
    "tls_http1::",
    "clear_http2::",
    "tls_http2::",
];

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A Python to test with; may be given several times [default: PYO3_PYTHON, else python3]
    #[arg(long, value_name = "PATH")]
    python: Vec<PathBuf>,
    /// Arguments for `cargo test`
    #[arg(last = true, value_name = "CARGO TEST ARGS")]
    rest: Vec<String>,
}

/// Tests against each named Python.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let mut pythons = Vec::new();
    for path in &options.python {
        pythons.push(Python::for_tests(Some(path))?);
    }
    if pythons.is_empty() {
        pythons.push(Python::for_tests(None)?);
    }
    let mut tally = Tally::default();
    for python in &pythons {
        tally += against(python, &options.rest)?;
    }
    Ok(tally)
}

/// Tests the workspace against one Python. `rest` goes to `cargo test`.
pub(crate) fn against(python: &Python, rest: &[String]) -> Result<Tally> {
    let venv = prepare(python)?;
    let mut cargo = python.cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if !names_packages(rest) {
        cargo.arg("--workspace");
    }
    cargo.args(with_test_arguments(rest)).env("POUNCE_TEST_VENV", venv);
    let mut tally = count(cargo)?;
    if rest.is_empty() {
        tally += wheel::test(python, true)?;
    }
    Ok(tally)
}

/// Tests only what depends on the Python version: the crates that link Python, and end to end over clear HTTP/1.1 with
/// the test programs built for `first`, the Python that everything was tested with.
pub(crate) fn of_python(python: &Python, first: &Python, is_between: bool) -> Result<Tally> {
    let venv = prepare(python)?;
    let mut crates = python.cargo();
    crates.args(["test", "--no-fail-fast", "--lib", "--bins"]);
    crates.args(["--package", "pounce-asgi", "--package", "pounce-server", "--package", "pounce-cli"]);
    crates.args(with_test_arguments(&[])).env("POUNCE_TEST_VENV", &venv);
    let mut end_to_end = first.cargo();
    end_to_end.args(["test", "--no-fail-fast", "--package", "pounce-tests", "--lib"]);
    let programs = if is_between { &OF_PYTHON_BETWEEN[..] } else { &OF_PYTHON };
    end_to_end.args(programs.iter().flat_map(|program| ["--test", program]));
    end_to_end.args(with_test_arguments(&[]));
    end_to_end.args(OF_PROTOCOL.iter().flat_map(|part| ["--skip", part]));
    end_to_end.env("POUNCE_TEST_BINARY", python.target().join("debug/pounce")).env("POUNCE_TEST_VENV", venv);
    let mut tally = count(crates)?;
    tally += count(end_to_end)?;
    Ok(tally)
}

/// Prepares a Python for the end-to-end tests: builds the program and makes a virtualenv, which is returned.
fn prepare(python: &Python) -> Result<PathBuf> {
    let venv = venv::ensure(python, "venv", "requirements-test.txt")?;
    eprintln!("testing with Python {} ({})", python.name(), python.executable.display());
    // `cargo test` alone would not rebuild the program that the end-to-end tests start.
    workspace::run(python.cargo().args(["build", "--package", "pounce-cli"]))?;
    Ok(venv)
}

/// Runs `cargo test`, shows what it prints, and counts.
pub(crate) fn count(mut cargo: Command) -> Result<Tally> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let mut reader = Reader::default();
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if reader.take(&String::from_utf8_lossy(&line)) {
                stdout().write_all(&line)?;
                stdout().flush()?;
            }
            line.clear();
        }
    }
    let status = child.wait()?;
    let mut tally = reader.tally;
    if !status.success() && tally.failed == 0 {
        eprintln!("error: the tests did not build, or one of them ended its whole process ({status})");
        tally.failed = 1;
    }
    Ok(tally)
}

/// Whether the arguments choose packages, which `--workspace` would overrule.
fn names_packages(rest: &[String]) -> bool {
    let of_cargo = rest.iter().take_while(|argument| *argument != "--");
    of_cargo.into_iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

/// Adds arguments for the output of passed tests, which names what they skipped, and for two tests at once per core:
/// most of the time a test waits for its server or its client.
pub(crate) fn with_test_arguments(rest: &[String]) -> Vec<String> {
    let mut arguments = rest.to_vec();
    if !arguments.iter().any(|argument| argument == "--") {
        arguments.push("--".into());
    }
    arguments.push("--show-output".into());
    if !rest.iter().any(|argument| argument.starts_with("--test-threads")) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        arguments.push(format!("--test-threads={}", 2 * cores));
    }
    arguments
}

/// Reads the output of test programs line by line.
#[derive(Default)]
struct Reader {
    tally: Tally,
    in_successes: bool,
}

impl Reader {
    /// Counts a line, and returns whether to show it: of passed tests' output only skipped checks are shown.
    fn take(&mut self, line: &str) -> bool {
        let line = line.trim_end();
        if line.starts_with("skipped:") {
            self.tally.skipped += 1;
            return true;
        }
        if line == "successes:" {
            self.in_successes = true;
        } else if line == "failures:" {
            self.in_successes = false;
        } else if let Some(result) = line.strip_prefix("test result:") {
            self.in_successes = false;
            self.tally += parse_result(result);
        }
        !self.in_successes
    }
}

/// Reads ` ok. 5 passed; 0 failed; 1 ignored; 0 measured; …`.
fn parse_result(result: &str) -> Tally {
    let count = |what: &str| {
        let before = result.split(what).next().filter(|before| before.len() < result.len());
        before.and_then(|text| text.split_whitespace().last()).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Tally { passed: count(" passed"), failed: count(" failed"), skipped: count(" ignored") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... ok
test c ... ignored

successes:

---- a stdout ----
skipped: no free-threaded Python
chatter

successes:
    a
    b

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s

test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
";

    #[test]
    fn totals_count_ignored_tests_and_lines_that_say_skipped() {
        let mut reader = Reader::default();
        let shown: Vec<&str> = OUTPUT.lines().filter(|line| reader.take(line)).collect();
        assert_eq!(reader.tally, Tally { passed: 9, failed: 2, skipped: 2 });
        assert!(shown.contains(&"skipped: no free-threaded Python"));
        assert!(!shown.contains(&"chatter"));
    }

    #[test]
    fn chosen_packages_are_not_overruled() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(names_packages(&words("-p pounce-net")));
        assert!(names_packages(&words("--package=pounce-net name")));
        assert!(!names_packages(&words("name -- -p")));
    }

    #[test]
    fn arguments_for_the_test_programs_come_last() {
        let asked = with_test_arguments(&[]);
        assert_eq!(asked[..2], ["--", "--show-output"]);
        assert!(asked[2].starts_with("--test-threads="), "{asked:?}");
        let given = ["-p", "x", "--", "name", "--test-threads=1"].map(String::from);
        assert_eq!(
            with_test_arguments(&given),
            ["-p", "x", "--", "name", "--test-threads=1", "--show-output"]
        );
    }
}
