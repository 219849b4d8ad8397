//! Reading another server's configuration that is a Python program, in a process of its own: it may import anything and
//! start threads, and the server's process starts with nothing of it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pounce_asgi::python;
use pounce_config::ForeignSettings;

use crate::host::Host;
use crate::{output, settings};

/// The first argument of the process that evaluates; the second is the file, the third `--python` if it was given.
const ARGUMENT: &str = "__evaluate";

/// What a Python program sets.
///
/// # Errors
/// What the program raised, or why it could not be evaluated.
pub fn evaluate_config(
    host: &dyn Host,
    file: &Path,
    python: Option<&Path>,
) -> Result<ForeignSettings, String> {
    let mut program = host.worker().map_err(|error| error.to_string())?;
    program.arguments.extend([ARGUMENT.into(), file.into()]);
    program.arguments.extend(python.map(OsString::from));
    let mut command = program.command();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot evaluate it: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.success() {
        true => serde_json::from_str(&text).map_err(|error| format!("cannot evaluate it: {error}")),
        false if text.is_empty() => Err(format!("the process that evaluates it ended: {}", output.status)),
        false => Err(text.into_owned()),
    }
}

/// If a server started this process to evaluate a file, does so, and returns the exit code.
pub(crate) fn evaluate_from_arguments(
    host: &dyn Host,
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<u8> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let Some(file) = arguments.next() else {
        output::error(format!("{ARGUMENT} is for the server itself"), None);
        return Some(2);
    };
    let python = arguments.next().map(PathBuf::from);
    // The answer alone is for standard output, whatever the program and its children print.
    let answer = std::io::stdout().as_fd().try_clone_to_owned();
    let _ = nix::unistd::dup2_stdout(std::io::stderr());
    let (text, code) = match evaluate(host, &file.to_string_lossy(), python) {
        Ok(json) => (json, 0),
        Err(error) => (error, 1),
    };
    // An error means that the server is gone.
    let _ = answer.and_then(|answer| File::from(answer).write_all(text.as_bytes()));
    output::flush();
    Some(code)
}

fn evaluate(host: &dyn Host, file: &str, python: Option<PathBuf>) -> Result<String, String> {
    let options = settings::interpreter_in(python, None);
    let interpreter = host.interpreter(&options).map_err(|error| error.to_string())?;
    let evaluated = python::evaluate_config(&interpreter, file);
    interpreter.finalize();
    evaluated
}
