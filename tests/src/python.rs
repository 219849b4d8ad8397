//! The test virtualenv: its location, its modules, and scripts run with its interpreter.

use crate::output::Output;
use crate::wait::{PATIENCE, within};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The virtualenv named by `POUNCE_TEST_VENV`.
pub fn virtualenv() -> Option<PathBuf> {
    std::env::var_os("POUNCE_TEST_VENV").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The interpreter of the test virtualenv.
pub fn interpreter() -> Option<PathBuf> {
    virtualenv().map(|path| path.join("bin/python"))
}

/// Whether the interpreter of the test virtualenv is free-threaded. None without a virtualenv.
pub fn is_free_threaded() -> Option<bool> {
    let script = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED') or 0)";
    Some(run(Command::new(interpreter()?).args(["-c", script])).trim() == "1")
}

/// Whether the test virtualenv has `module`; if not, prints on stderr that the test is skipped.
pub fn has(module: &str) -> bool {
    static KNOWN: Mutex<Option<HashMap<String, bool>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let found = *known.entry(module.to_owned()).or_insert_with(|| {
        let Some(python) = interpreter() else { return false };
        let mut import = Command::new(python);
        import.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
        import.status().is_ok_and(|status| status.success())
    });
    if !found {
        eprintln!("skipped: no {module} in the test virtualenv");
    }
    found
}

/// Runs a script of `tests/clients` with the virtualenv's interpreter and returns its output; panics
/// if it fails.
pub fn run_client(script: &str, arguments: &[&str]) -> String {
    let python = interpreter().expect("the caller asked for a module of the virtualenv first");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    run(Command::new(python).arg(path).args(arguments))
}

/// Runs a command to its end and returns its standard output; panics if it fails or hangs.
pub fn run(command: &mut Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdout = Output::collect(child.stdout.take().expect("piped"));
    let stderr = Output::collect(child.stderr.take().expect("piped"));
    let status = within(PATIENCE, || child.try_wait().expect("a child of ours"));
    if status.is_none() {
        // It is stuck: the panic shows its output so far.
        let _ = child.kill();
    }
    stdout.wait_ended(PATIENCE);
    let succeeded = status.is_some_and(|status| status.success());
    assert!(succeeded, "{command:?}: {status:?}\n{}\n{}", stdout.text(), stderr.text());
    stdout.text()
}
