//! The Python package: wheels of it (`cargo xtask dist`), and its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::python::Python;
use crate::tally::Tally;
use crate::test;
use crate::venv;
use crate::workspace;

/// The end-to-end tests that are run against the package's command as well: those of the application, the process and its
/// workers. What is on the wire is the same code.
const END_TO_END: [&str; 3] = ["app", "operation", "workers"];

/// The Pythons that `dist` builds for.
const VERSIONS: [&str; 7] = ["3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15"];

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A Python to build a wheel for; may be given several times [default: every one that is found]
    #[arg(long, value_name = "PATH")]
    python: Vec<PathBuf>,
    /// The folder for the wheels and the source distribution
    #[arg(long, value_name = "DIR", default_value = "target/dist")]
    out: PathBuf,
}

/// Builds a wheel for each Python, and the source distribution.
pub(crate) fn dist(options: &Options) -> Result<()> {
    let pythons: Vec<Python> = if options.python.is_empty() {
        VERSIONS.iter().filter_map(|version| Python::find(version)).collect()
    } else {
        options.python.iter().map(|path| Python::probe(path)).collect::<Result<_>>()?
    };
    for python in &pythons {
        let venv = venv::ensure(python, "venv", "requirements-test.txt")?;
        let wheel = build(python, &venv, &workspace::root().join(&options.out), &["--release"])?;
        println!("{}", wheel.display());
    }
    let Some(first) = pythons.first() else { anyhow::bail!("no Python 3.11 or newer was found") };
    let venv = venv::ensure(first, "venv", "requirements-test.txt")?;
    let mut maturin = maturin(first, &venv);
    maturin.arg("sdist").arg("--out").arg(workspace::root().join(&options.out));
    workspace::run(&mut maturin)
}

/// Tests the package on one Python: its own tests and types, and if `end_to_end` those of the server against its command.
pub(crate) fn test(python: &Python, end_to_end: bool) -> Result<Tally> {
    let venv = venv::ensure(python, "venv", "requirements-test.txt")?;
    if !venv.join("bin/maturin").exists() {
        println!("skipped: maturin does not install on Python {}", python.name());
        return Ok(Tally::SKIPPED);
    }
    install(python, &venv, &venv, &[])?;
    let mut tally = pytest(&venv)?;
    tally += types(&venv);
    if end_to_end {
        let mut cargo = python.cargo();
        cargo.args(["test", "--no-fail-fast", "--package", "pounce-tests"]);
        cargo.args(END_TO_END.iter().flat_map(|program| ["--test", program]));
        cargo.args(test::with_test_arguments(&[]));
        cargo.env("POUNCE_TEST_BINARY", venv.join("bin/pounce")).env("POUNCE_TEST_VENV", &venv);
        tally += test::count(cargo)?;
    }
    Ok(tally)
}

/// A virtualenv with a release build of the package, the suites of `conformance asyncio` and other event loops.
pub(crate) fn loop_venv(python: &Python) -> Result<PathBuf> {
    let venv = venv::ensure(python, "loop-venv", "requirements-loop.txt")?;
    let tools = venv::ensure(python, "venv", "requirements-test.txt")?;
    install(python, &tools, &venv, &["--release"])?;
    Ok(venv)
}

/// Builds a wheel with the maturin in `tools`, and installs it in a virtualenv.
fn install(python: &Python, tools: &Path, venv: &Path, arguments: &[&str]) -> Result<()> {
    let out = python.target().join("dist");
    workspace::remove_folder(&out)?;
    let wheel = build(python, tools, &out, arguments)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    workspace::run(pip.args(["--force-reinstall"]).arg(wheel))
}

/// Builds a wheel, and returns its path.
fn build(python: &Python, venv: &Path, out: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let mut maturin = maturin(python, venv);
    maturin.args(["build", "--quiet"]).args(arguments).arg("--interpreter").arg(&python.executable);
    maturin.args(["--compatibility", "linux"]).arg("--out").arg(out);
    workspace::run(&mut maturin)?;
    let tag = format!("-cp{}{}", python.version.0, python.version.1);
    let wheels = fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?;
    let names = wheels.filter_map(|entry| Some(entry.ok()?.path()));
    let abi = if python.free_threaded { "t-" } else { "-" };
    let mut built = names.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.contains(&format!("{tag}{tag}{abi}"))
    });
    built.next().context("maturin has built no wheel for this Python")
}

/// A maturin that builds for a Python, in a target folder of its own: an extension module does not link libpython, and
/// builds of the two kinds would evict each other.
fn maturin(python: &Python, venv: &Path) -> Command {
    let mut maturin = Command::new(venv.join("bin/maturin"));
    maturin.current_dir(workspace::root().join("python"));
    maturin.env_remove("PYO3_PYTHON").env("CARGO_TARGET_DIR", python.target().join("wheel"));
    if python.free_threaded && python.version < (3, 14) {
        maturin.env("UNSAFE_PYO3_SKIP_VERSION_CHECK", "1");
    }
    maturin
}

/// Runs the package's own tests.
fn pytest(venv: &Path) -> Result<Tally> {
    let mut pytest = Command::new(venv.join("bin/python"));
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]);
    let output =
        pytest.current_dir(workspace::root().join("python")).output().context("cannot run pytest")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tally = parse_summary(text.lines().last().unwrap_or_default());
    if output.status.success() && tally.passed > 0 {
        return Ok(tally);
    }
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(Tally { failed: tally.failed.max(1), ..tally })
}

/// Checks that the package's types are what its users' type checkers need.
fn types(venv: &Path) -> Tally {
    let python = venv.join("bin/python").display().to_string();
    let mypy = ["--strict", "--disallow-any-explicit", "--no-incremental"];
    let pyright = ["--pythonpath", &python];
    let mut tally = Tally::default();
    for (checker, arguments) in [("mypy", &mypy[..]), ("pyright", &pyright)] {
        if !venv.join("bin").join(checker).exists() {
            println!("skipped: {checker} is not installed for this Python");
            tally += Tally::SKIPPED;
            continue;
        }
        let mut command = Command::new(&python);
        command.args(["-m", checker]).args(arguments).arg("package/pounce");
        tally += match workspace::run(command.current_dir(workspace::root().join("python"))) {
            Ok(()) => Tally::PASSED,
            Err(_) => Tally::FAILED,
        };
    }
    tally
}

/// Reads pytest's last line: `1 failed, 33 passed, 2 skipped in 5.53s`.
fn parse_summary(line: &str) -> Tally {
    let count = |what: &str| {
        let parts = line.split(", ").filter_map(|part| part.split_once(' '));
        let mut counts = parts.filter(|(_, kind)| kind.starts_with(what));
        counts.next().and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
    };
    Tally { passed: count("passed"), failed: count("failed") + count("error"), skipped: count("skipped") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_pytest_is_read() {
        let read = |line| {
            let Tally { passed, failed, skipped } = parse_summary(line);
            (passed, failed, skipped)
        };
        assert_eq!(read("1 failed, 33 passed, 2 skipped in 5.53s"), (33, 1, 2));
        assert_eq!(read("34 passed in 5.53s"), (34, 0, 0));
        assert_eq!(read("34 passed, 3 warnings in 0.37s"), (34, 0, 0));
        assert_eq!(read("2 errors in 0.1s"), (0, 2, 0));
        assert_eq!(read(""), (0, 0, 0));
    }
}
