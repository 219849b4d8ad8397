//! The host of a server that runs in a Python program.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    handles_signals: Arc<AtomicBool>,
    owns_process: bool,
}

impl Hosted {
    /// The process is the server, as `python -m pounce` is.
    pub(crate) fn as_process(
        executable: OsString,
        flags: Vec<OsString>,
        restarted: Vec<OsString>,
        virtualenv: Option<OsString>,
    ) -> Self {
        let in_program = Self::in_program(executable, flags, restarted, virtualenv);
        in_program.handles_signals.store(true, Ordering::Relaxed);
        Self { owns_process: true, ..in_program }
    }

    /// The server is a part of a program.
    pub(crate) fn in_program(
        executable: OsString,
        flags: Vec<OsString>,
        restarted: Vec<OsString>,
        virtualenv: Option<OsString>,
    ) -> Self {
        Self {
            executable: executable.into(),
            flags,
            restarted,
            virtualenv: virtualenv.map(PathBuf::from),
            handles_signals: Arc::default(),
            owns_process: false,
        }
    }

    /// Decides whether the server acts on signals, until it is run.
    pub(crate) fn handles_signals_if(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.handles_signals)
    }
}

impl Host for Hosted {
    fn interpreter(&self, options: &InterpreterOptions) -> Result<Interpreter, InterpreterError> {
        self.environment(options)?;
        Interpreter::of_process(self.owns_process())
    }

    fn environment(&self, options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError> {
        match &options.python {
            // A virtualenv's folder, or the python in it.
            Some(asked) if *asked != self.executable && self.virtualenv.as_ref() != Some(asked) => {
                Err(InterpreterError::Elsewhere { own: self.executable.clone(), asked: asked.clone() })
            }
            _ => Ok(self.virtualenv.clone()),
        }
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

    fn handles_signals(&self) -> bool {
        self.handles_signals.load(Ordering::Relaxed)
    }

    fn owns_process(&self) -> bool {
        self.owns_process
    }
}
