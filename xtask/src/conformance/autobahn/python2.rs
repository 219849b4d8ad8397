//! A Python 2.7 and its virtualenv: the test suite was never ported to Python 3. `python.rs` finds the Pythons to build
//! pounce for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::error::hinted;
use crate::python;
use crate::workspace;

/// The last virtualenv that runs on Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.15.1";

/// The stamp in a virtualenv: the requirements and the interpreter it was made from.
const STAMP: &str = ".xtask-stamp";

/// The test suite's program, in a virtualenv under `folder` that is made anew when its requirements change.
pub(super) fn wstest(asked: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    let python = find(asked)?;
    let venv = folder.join("venv");
    let file = workspace::root().join("xtask/requirements-autobahn.txt");
    let wanted = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let stamp = format!("{}\n{wanted}", python.display());
    let wstest = venv.join("bin/wstest");
    if fs::read_to_string(venv.join(STAMP)).is_ok_and(|old| old == stamp) {
        return Ok(wstest);
    }
    for old in [&venv, &folder.join("bootstrap")] {
        workspace::remove_folder(old)?;
    }
    eprintln!("making a virtualenv of {} in {}", python.display(), venv.display());
    make(&python, folder, &venv)?;
    eprintln!("installing {}", file.display());
    pip(&venv.join("bin/python")).arg("-r").arg(&file).status().map_err(Into::into).and_then(installed)?;
    fs::write(venv.join(STAMP), stamp)?;
    Ok(wstest)
}

/// Python 2.7 has no `venv`; virtualenv is installed into a separate folder, so that the interpreter stays unchanged.
fn make(python: &Path, folder: &Path, venv: &Path) -> Result<()> {
    let bootstrap = folder.join("bootstrap");
    pip(python)
        .arg("--target")
        .arg(&bootstrap)
        .arg(VIRTUALENV)
        .status()
        .map_err(Into::into)
        .and_then(installed)?;
    let mut virtualenv = Command::new(python);
    virtualenv.env("PYTHONPATH", &bootstrap).args(["-m", "virtualenv", "--quiet"]).arg(venv);
    workspace::run(&mut virtualenv)
}

fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    // Suppresses the warning about the age of Python 2.7.
    pip.env("PYTHONWARNINGS", "ignore").args(["-m", "pip", "install", "--quiet", "--no-input"]);
    pip.arg("--disable-pip-version-check");
    pip
}

fn installed(status: std::process::ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(hinted(
        "pip could not install the Autobahn test suite",
        "pip's own message above says which package and why; a C compiler and a network are needed",
    ))
}

/// The Python 2.7 that the user named, else the one on PATH, else pyenv's.
fn find(asked: Option<&Path>) -> Result<PathBuf> {
    const HINT: &str = "the Autobahn test suite runs on Python 2.7 alone: install one, for example with \
                        `pyenv install 2.7.18`, or name one with `--python2 PATH`";
    if let Some(path) = asked {
        let found = probe(path);
        return found
            .ok_or_else(|| hinted(format!("{} is not a Python 2.7 that runs", path.display()), HINT));
    }
    let mut candidates: Vec<PathBuf> = vec!["python2.7".into(), "python2".into()];
    candidates.extend(python::pyenv("2.7", "python2.7"));
    let found = candidates.iter().find_map(|path| probe(path));
    found.ok_or_else(|| hinted("there is no Python 2.7", HINT))
}

/// The real interpreter of a name on PATH or a shim, if it is a Python 2.7.
fn probe(program: &Path) -> Option<PathBuf> {
    let script =
        "import os, sys; print(os.path.realpath(sys.executable)); print(sys.version_info[:2] == (2, 7))";
    let output = workspace::output(Command::new(program).args(["-c", script])).ok()?;
    let (executable, is_it) = output.trim().split_once('\n')?;
    (is_it == "True").then(|| executable.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_python_is_refused_with_a_hint() {
        let error = find(Some(Path::new("/nonexistent/python2.7"))).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/python2.7 is not a Python 2.7 that runs");
    }
}
