//! Why a server failed.

use std::io;
use std::path::PathBuf;

use pounce_asgi::LifespanError;
use pounce_asgi::python::{InterpreterError, LoadError, LogConfigError, RunError};
use pounce_config::PlanError;
use pounce_net::{BindError, EndpointError};
use pounce_worker::tls::TlsError;

/// What ended a server, with its exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A bind address could not be parsed.
    #[error("{bind:?} is no address to bind: {error}")]
    Endpoint {
        /// The text given.
        bind: String,
        /// The fault.
        error: EndpointError,
    },
    /// The working directory cannot be entered.
    #[error("cannot change to the folder {}: {error}", path.display())]
    Directory {
        /// Which folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// There is no such user or group.
    #[error("there is no {kind} {name:?} on this system")]
    NoIdentity {
        /// User or group.
        kind: &'static str,
        /// The name or number that was given.
        name: String,
    },
    /// The process may not become that user.
    #[error("cannot become the user {name}: {error}")]
    Identity {
        /// The user's name or number.
        name: String,
        /// The system's error.
        error: io::Error,
    },
    /// The file for the process id cannot be used.
    #[error("cannot use the pid file {}: {reason}", path.display())]
    PidFile {
        /// Which file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A log file cannot be opened.
    #[error("cannot open the log file {}: {error}", path.display())]
    LogFile {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Python's logging could not be configured.
    #[error("cannot use the log configuration {name}: {error}")]
    LogConfig {
        /// The file, or how the configuration was given.
        name: String,
        /// The fault.
        error: LogConfigError,
    },
    /// The environment file could not be used.
    #[error("cannot use the environment file {path}: {reason}")]
    EnvFile {
        /// Which file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Python could not be started.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// The application could not be imported.
    #[error("cannot load the application: {0}")]
    Load(#[from] LoadError),
    /// The lifespan's startup failed.
    #[error("startup failed: {0}")]
    Startup(LifespanError),
    /// The lifespan's startup took too long.
    #[error("startup failed: it was not complete after {0:?}")]
    StartupTimeout(std::time::Duration),
    /// A worker's startup hook failed.
    #[error("a worker hook failed: {0}")]
    Hook(String),
    /// The lifespan's state could not be passed to a worker.
    #[error("the lifespan's state cannot be handed to the workers: {0}")]
    State(String),
    /// A worker cannot read its plan.
    #[error("{0}; was the program replaced under a running server?")]
    Plan(PlanError),
    /// This Python cannot run the requested workers.
    #[error("{0}")]
    Mode(String),
    /// A worker did not start, and reported why.
    #[error("{0}")]
    Worker(String),
    /// Every worker has ended too often.
    #[error("no worker is left: each has ended too often to be started again")]
    NoWorkers,
    /// Sockets or signals could not be watched.
    #[error("{what}: {error}")]
    System {
        /// The attempted operation.
        what: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// The event loop ended by itself.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ServerError {
    /// The exit code: 1 internal, 2 configuration, 3 application, 4 cannot bind.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::System { .. } | Self::Run(_) | Self::Plan(_) | Self::NoWorkers => 1,
            Self::Endpoint { .. }
            | Self::EnvFile { .. }
            | Self::Directory { .. }
            | Self::NoIdentity { .. }
            | Self::Identity { .. }
            | Self::PidFile { .. }
            | Self::LogFile { .. }
            | Self::LogConfig { .. }
            | Self::Interpreter(_)
            | Self::Mode(_)
            | Self::Tls(_) => 2,
            Self::Load(_)
            | Self::Startup(_)
            | Self::StartupTimeout(_)
            | Self::Hook(_)
            | Self::State(_)
            | Self::Worker(_) => 3,
            Self::Bind(_) => 4,
        }
    }

    /// The message and the hint in one text.
    pub(crate) fn with_hint(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}\n\nhint: {hint}"),
            None => self.to_string(),
        }
    }

    /// What the user can do, if known.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Bind(error) => error.hint()?,
            Self::Interpreter(error) => error.hint(),
            Self::Load(error) => error.hint.clone(),
            Self::LogConfig { error, .. } => error.hint.clone(),
            Self::Tls(error) => error.hint()?.to_owned(),
            Self::StartupTimeout(_) => "Give it longer with --timeout-startup SECONDS.".to_owned(),
            Self::Identity { .. } => {
                "Only root may: start the server as root, or leave --user and --group out.".to_owned()
            }
            _ => String::new(),
        };
        (!hint.is_empty()).then_some(hint)
    }
}
