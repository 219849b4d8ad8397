//! Builds the measured programs in release mode.

use std::path::PathBuf;

use anyhow::Result;

use crate::error::hinted;
use crate::python::Python;
use crate::workspace;

/// Builds the release of `pounce` for a Python and returns its path.
pub(super) fn pounce(python: &Python, is_built: bool) -> Result<PathBuf> {
    if !is_built {
        let mut cargo = python.cargo();
        cargo.args(["rustc", "--release", "--package", "pounce-cli", "--bin", "pounce", "--"]);
        workspace::run(cargo.args(python.link_arguments()))?;
    }
    existing(python.target().join("release/pounce"))
}

/// Builds the floor, the engine with a Rust application, and returns its path; `None` if the example does not exist.
pub(super) fn floor(python: &Python, is_built: bool) -> Result<Option<PathBuf>> {
    if !workspace::root().join("crates/pounce-worker/examples/floor.rs").exists() {
        println!("note: crates/pounce-worker/examples/floor.rs does not exist; going without the floor");
        return Ok(None);
    }
    if !is_built {
        let arguments = ["build", "--release", "--package", "pounce-worker", "--example", "floor"];
        workspace::run(python.cargo().args(arguments))?;
    }
    existing(python.target().join("release/examples/floor")).map(Some)
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path);
    }
    Err(hinted(format!("{} is not built", path.display()), "leave `--no-build` out"))
}
