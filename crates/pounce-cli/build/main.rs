//! Links the program with the Python that it is built for.
//!
//! Where Python has a static library, the interpreter becomes a part of the program: its functions then call each other directly, and
//! find the state of their thread without a call. Whether that library links, and runs this Python's modules, is tried out
//! first; if not, or with the feature `shared-python`, the program loads the shared library.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints what is needed to link statically: a line for each part.
const DESCRIBE: &str = r#"
import os, sys, sysconfig
config = sysconfig.get_config_var
print(os.path.join(config("LIBPL") or "", config("LIBRARY") or ""))
print(sys.base_prefix)
print(*(word for name in ("LIBS", "SYSLIBS", "MODLIBS") for word in (config(name) or "").split()))
print(ascii(sys.version))
"#;

/// Some of these modules are shared libraries, which must find the interpreter in the program.
const TRY_MODULES: &str = "import sys, ctypes, math, select, _asyncio, _socket; print(ascii(sys.version))";

fn main() {
    pyo3_build_config::add_libpython_rpath_link_args();
    println!("cargo::rerun-if-changed=build");
    if let Some(arguments) = static_library() {
        for argument in arguments {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}

/// What the linker needs for the static library. None if that is not to be used, or cannot be.
fn static_library() -> Option<Vec<String>> {
    let is_native = env::var("HOST") == env::var("TARGET");
    let wants_shared = env::var_os("CARGO_FEATURE_SHARED_PYTHON").is_some();
    let python = pyo3_build_config::get();
    // PyO3 itself links the static library of a Python that has no shared one.
    if wants_shared || !is_native || !cfg!(target_os = "linux") || !python.shared() {
        return None;
    }
    let described = python.run_python_script(DESCRIBE).ok()?;
    let [library, home, libraries, version] = described.lines().collect::<Vec<_>>().try_into().ok()?;
    if !Path::new(library).is_file() {
        return None;
    }
    println!("cargo::rerun-if-changed={library}");
    let arguments = ["-Wl,--whole-archive", library, "-Wl,--no-whole-archive"]
        .into_iter()
        .chain(["-Wl,--export-dynamic-symbol=Py*", "-Wl,--export-dynamic-symbol=_Py*"])
        .chain(libraries.split(' ').filter(|word| word.starts_with("-l") || word.starts_with("-L")));
    let arguments: Vec<_> = arguments.map(str::to_owned).collect();
    let probe = link_probe(&arguments)?;
    let mut python = Command::new(probe);
    // A Python may have been moved since it was compiled.
    python.args(["-s", "-c", TRY_MODULES]).env("PYTHONHOME", home).env_remove("PYTHONPATH");
    let ran = python.output().ok()?;
    (ran.status.success() && ran.stdout.trim_ascii() == version.as_bytes()).then_some(arguments)
}

/// Builds the probe (`probe.rs`) as Cargo would. None if it does not link.
fn link_probe(arguments: &[String]) -> Option<PathBuf> {
    let program = PathBuf::from(env::var_os("OUT_DIR")?).join("probe");
    let mut rustc = Command::new(env::var_os("RUSTC")?);
    rustc.args(["--edition", "2024", "--target", &env::var("TARGET").ok()?]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={}", linker.to_string_lossy()));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    rustc.args(arguments.iter().flat_map(|argument| ["-C".to_owned(), format!("link-arg={argument}")]));
    let linked = rustc.arg("build/probe.rs").arg("-o").arg(&program).output().ok()?;
    linked.status.success().then_some(program)
}
