//! `cargo xtask sanitize`: hundreds of lives of the event loop under the address sanitizer.
//!
//! The extension module of the Python package is compiled with the sanitizer, and Python without: its memory comes from the
//! sanitizer's allocator all the same (`PYTHONMALLOC=malloc`), so that what Rust does with a freed object is found.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::certificate;
use crate::error::hinted;
use crate::python::Python;
use crate::workspace;

/// Options of `cargo xtask sanitize`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The Python to run on [default: PYO3_PYTHON, else a 3.13, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How many loops are made, used and closed, one after the other
    #[arg(long, default_value_t = 500)]
    lives: u32,
}

/// Builds, and runs the lives. What they print is passed through.
pub(crate) fn run(options: &Options) -> Result<()> {
    let python = Python::for_bench(options.python.as_deref())?;
    let runtime = runtime()?;
    let module = build(&python)?;
    certificate::make()?;
    let mut lives = Command::new(&python.executable);
    lives.arg("-I").arg(workspace::root().join("tests/sanitize/lives.py")).arg(module);
    lives.arg(certificate::certificate()).arg(certificate::key()).arg(options.lives.to_string());
    lives.env("LD_PRELOAD", runtime).env("PYTHONMALLOC", "malloc").env("ASAN_OPTIONS", "detect_leaks=0");
    workspace::run(&mut lives)
}

/// The sanitizer's library, which must be loaded before all others.
fn runtime() -> Result<PathBuf> {
    let shown = workspace::output(Command::new("cc").arg("-print-file-name=libasan.so"))?;
    let library = PathBuf::from(shown.trim());
    if !library.is_absolute() {
        return Err(hinted(
            "the C compiler has no address sanitizer",
            "on Debian/Ubuntu: apt-get install gcc",
        ));
    }
    Ok(library)
}

/// Builds the extension module; returns its path. The flag is not stable, and the compiler is told that this one is meant.
fn build(python: &Python) -> Result<PathBuf> {
    let target = python.target().join("sanitize");
    let triple = host()?;
    let mut cargo = python.cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "pounce-python", "--target", &triple]);
    cargo.args(["--config", "profile.release.lto=false"]);
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("PYO3_BUILD_EXTENSION_MODULE", "1");
    cargo.env("RUSTFLAGS", "--cfg pyo3_disable_reference_pool -Zsanitizer=address");
    workspace::run(&mut cargo)?;
    Ok(target.join(triple).join("release/lib_pounce.so"))
}

/// The compiler's own platform.
fn host() -> Result<String> {
    let shown = workspace::output(Command::new("rustc").arg("-vV").current_dir(workspace::root()))?;
    let host = shown.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not name its host")
}
