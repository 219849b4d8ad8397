//! Virtualenvs made from a requirements file, and kept until that file or the interpreter changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::error::hinted;
use crate::python::Python;
use crate::workspace;

/// The stamp in a virtualenv: the requirements and the interpreter it was made from.
const STAMP: &str = ".xtask-stamp";

/// Makes or refreshes the virtualenv `target/py<version>/<name>` from `xtask/<requirements>`, and returns its
/// folder. A free-threaded Python goes without the packages that do not install on it.
pub(crate) fn ensure(python: &Python, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = python.target().join(name);
    let file = workspace::root().join("xtask").join(requirements);
    let wanted = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let made_for = format!("{} {}\n", python.full_version, python.executable.display());
    let stamp = format!("{made_for}{wanted}");
    let old = fs::read_to_string(folder.join(STAMP)).unwrap_or_default();
    if old == stamp {
        return Ok(folder);
    }
    if !old.starts_with(&made_for) {
        workspace::remove_folder(&folder)?;
        eprintln!("making a virtualenv of Python {} in {}", python.name(), folder.display());
        workspace::run(Command::new(&python.executable).args(["-I", "-m", "venv"]).arg(&folder))?;
    }
    install(python, &folder, &file, &wanted)?;
    fs::write(folder.join(STAMP), stamp)?;
    Ok(folder)
}

fn install(python: &Python, folder: &Path, file: &Path, wanted: &str) -> Result<()> {
    eprintln!("installing {}", file.display());
    let all_at_once = pip(folder, python).arg("-r").arg(file).status()?;
    if all_at_once.success() {
        return Ok(());
    }
    if !python.free_threaded {
        return Err(hinted(
            format!("pip could not install {}", file.display()),
            "pip's own message above says which package and why; with no network, try again once there is one",
        ));
    }
    for requirement in requirements(wanted) {
        let status = pip(folder, python).arg(requirement).stderr(Stdio::null()).status()?;
        if !status.success() {
            println!("note: {requirement} does not install on Python {}; going without it", python.name());
        }
    }
    Ok(())
}

fn pip(folder: &Path, python: &Python) -> Command {
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    if python.free_threaded {
        // Packages without a wheel for free-threaded Python rarely build from source either, and take minutes to fail.
        pip.arg("--only-binary=:all:");
    }
    pip
}

fn requirements(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_requirements() {
        let found: Vec<&str> = requirements("# servers\n\nuvicorn==1\n  granian==2 ; x\n").collect();
        assert_eq!(found, ["uvicorn==1", "granian==2 ; x"]);
    }
}
