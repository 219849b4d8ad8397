//! Finding out, without serving, whether a server would start.

use std::path::PathBuf;

use pounce_asgi::python::{self, Interpreter};
use pounce_config::{LifespanMode, ServerConfig};

use crate::error::ServerError;
use crate::host::Host;
use crate::{detect, life, logging, process, serve, settings};

/// What a server would serve.
#[derive(Debug)]
pub struct Checked {
    /// The application, as it was named.
    pub app: String,
    /// `ASGI 3` or `ASGI 2`.
    pub interface: &'static str,
    /// Python's version.
    pub python: String,
    /// The virtualenv whose packages the application sees.
    pub virtualenv: Option<PathBuf>,
    /// The workers: `4 worker processes`.
    pub workers: String,
}

/// Reads certificates and keys and imports the application, as a server with this configuration would. It binds no address and
/// runs no lifespan. At most once per process, with a host that starts an interpreter.
///
/// # Errors
/// What would keep the server from starting.
pub fn check(config: &ServerConfig, host: &dyn Host) -> Result<Checked, ServerError> {
    process::prepare(&config.process)?;
    logging::install(&config.log)?;
    for note in config.notes() {
        tracing::warn!(target: "pounce", "{note}");
    }
    let shape = detect::shape(config, false)?;
    life::open_tls(config)?;
    let worker = config.worker();
    let options = settings::interpreter(&worker);
    let interpreter = host.interpreter(&options)?;
    let virtualenv = host.environment(&options)?;
    let interface = python::run(&interpreter, worker.app.event_loop, async move |event_loop| {
        let app = serve::load(&event_loop, &worker, None, LifespanMode::Off)?;
        Ok::<_, ServerError>(if app.is_asgi2() { "ASGI 2" } else { "ASGI 3" })
    });
    let interface = interface.map_err(ServerError::from).flatten();
    interpreter.finalize();
    Ok(Checked {
        app: config.app.target.clone(),
        interface: interface?,
        python: Interpreter::describe(),
        virtualenv,
        workers: detect::describe(shape),
    })
}
