//! The host of a server that runs in a Python program.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use pounce_asgi::python::{Interpreter, InterpreterError, InterpreterOptions};
use pounce_server::{Host, Program};

/// A Python program: the interpreter is the one that runs it.
#[derive(Debug, Clone)]
pub(crate) struct Hosted {
    executable: PathBuf,
    /// The interpreter's options, for worker processes.
    flags: Vec<OsString>,
    /// The arguments that this program was started with, those of the interpreter included.
    restarted: Vec<OsString>,
    virtualenv: Option<PathBuf>,
}

impl Hosted {
    pub(crate) fn new(
        executable: OsString,
        flags: Vec<OsString>,
        restarted: Vec<OsString>,
        virtualenv: Option<OsString>,
    ) -> Self {
        Self { executable: executable.into(), flags, restarted, virtualenv: virtualenv.map(PathBuf::from) }
    }
}

impl Host for Hosted {
    fn interpreter(&self, options: &InterpreterOptions) -> Result<Interpreter, InterpreterError> {
        self.environment(options)?;
        Interpreter::of_process(self.owns_process())
    }

    fn environment(&self, _options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError> {
        Ok(self.virtualenv.clone())
    }

    fn worker(&self) -> io::Result<Program> {
        let module = ["-m", "pounce"].map(OsString::from);
        Ok(Program {
            path: self.executable.clone(),
            arguments: self.flags.iter().cloned().chain(module).collect(),
        })
    }

    fn restarted(&self) -> io::Result<Program> {
        Ok(Program { path: self.executable.clone(), arguments: self.restarted.clone() })
    }

    fn owns_process(&self) -> bool {
        true
    }
}
