//! The program that the server is part of, and everything that differs between such programs.

use std::env;
use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use pounce_asgi::python::{Interpreter, InterpreterError, InterpreterOptions};

/// The program that the server is part of. [`Embedding`] stands for a program that starts its own interpreter.
pub trait Host: Debug + Send + Sync + 'static {
    /// The interpreter in which the calling thread will run the application.
    ///
    /// # Errors
    /// See [`InterpreterError`].
    fn interpreter(&self, options: &InterpreterOptions) -> Result<Interpreter, InterpreterError>;

    /// The virtualenv that [`interpreter`](Self::interpreter) would use, if any. Starts nothing.
    ///
    /// # Errors
    /// The interpreter would not start either, for the same reason.
    fn environment(&self, options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError>;

    /// The program to execute as a worker process; the server appends its arguments to these. The program calls
    /// [`worker_from_arguments`](crate::worker_from_arguments) before anything else.
    ///
    /// # Errors
    /// The program cannot be found.
    fn worker(&self) -> io::Result<Program>;

    /// This program with its original arguments, to execute in place of this process.
    ///
    /// # Errors
    /// The program cannot be found.
    fn restarted(&self) -> io::Result<Program>;

    /// Whether the server acts on the process's signals.
    fn handles_signals(&self) -> bool;

    /// Whether the process is the server's. The server then ends it when a deadline passes while Python blocks the loop.
    fn owns_process(&self) -> bool;
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file to execute.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        command
    }
}

/// A program that embeds CPython: it starts the interpreter, and runs nothing else in its process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embedding;

impl Host for Embedding {
    fn interpreter(&self, options: &InterpreterOptions) -> Result<Interpreter, InterpreterError> {
        Interpreter::start(options)
    }

    fn environment(&self, options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError> {
        Interpreter::environment(options)
    }

    fn worker(&self) -> io::Result<Program> {
        Ok(Program { path: env::current_exe()?, arguments: Vec::new() })
    }

    fn restarted(&self) -> io::Result<Program> {
        Ok(Program { path: env::current_exe()?, arguments: env::args_os().skip(1).collect() })
    }

    fn handles_signals(&self) -> bool {
        true
    }

    fn owns_process(&self) -> bool {
        true
    }
}
