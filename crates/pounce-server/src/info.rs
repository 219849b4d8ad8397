//! What a bug report should say of the program and of the machine.

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::utsname::uname;
use pounce_asgi::python::{Interpreter, InterpreterOptions};

use crate::host::Host;

/// Facts and their names.
pub fn info(host: &dyn Host) -> Vec<(&'static str, String)> {
    let options = InterpreterOptions {
        python: None,
        virtual_env: std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()).map(Into::into),
        projects: std::env::current_dir().into_iter().collect(),
    };
    let virtualenv = match host.environment(&options) {
        Ok(Some(folder)) => folder.display().to_string(),
        Ok(None) => "none".to_owned(),
        Err(error) => format!("unusable: {error}"),
    };
    let program = std::env::current_exe();
    let library = match Interpreter::library() {
        Some(library) if program.as_ref().is_ok_and(|program| *program == library) => "in the program".into(),
        Some(library) => library.display().to_string(),
        None => "unknown".to_owned(),
    };
    let program = program.map_or_else(|error| error.to_string(), |path| path.display().to_string());
    let system = uname().map_or_else(
        |error| error.to_string(),
        |name| {
            let part = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
            format!("{} {} {}", part(name.sysname()), part(name.release()), part(name.machine()))
        },
    );
    let cpus = std::thread::available_parallelism()
        .map_or_else(|error| error.to_string(), |count| count.to_string());
    let files = getrlimit(Resource::RLIMIT_NOFILE)
        .map_or_else(|error| error.to_string(), |(soft, hard)| format!("{soft}, at most {hard}"));
    let cryptography = if cfg!(feature = "aws-lc-rs") { "rustls with AWS-LC" } else { "rustls with ring" };
    vec![
        ("Pounce", env!("CARGO_PKG_VERSION").to_owned()),
        ("program", program),
        (
            "Python",
            format!(
                "{}{}",
                Interpreter::describe(),
                if Interpreter::starts_with_gil() { "" } else { ", no GIL" }
            ),
        ),
        ("interpreter", library),
        ("virtualenv", virtualenv),
        ("TLS", cryptography.to_owned()),
        ("system", system),
        ("usable CPUs", cpus),
        ("open files", files),
    ]
}
