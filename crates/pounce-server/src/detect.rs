//! The number and the kind of workers.

use std::num::NonZeroUsize;
use std::thread;

use pounce_asgi::python::Interpreter;
use pounce_config::{LifespanScope, LogSource, ServerConfig, WorkerMode};
use pounce_supervisor::Mode;

use crate::error::ServerError;

/// The shape of a server: one worker on the main thread, or several under a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    Many { count: usize, mode: Mode },
}

/// Decides what the configuration leaves open.
///
/// # Errors
/// This Python cannot run what the configuration asks for.
pub(crate) fn shape(config: &ServerConfig, is_given: bool) -> Result<Shape, ServerError> {
    if cfg!(not(feature = "otel")) && config.http.otel_endpoint.is_some() {
        return Err(ServerError::Mode(
            "otel-endpoint: this program was built without OpenTelemetry; the Python package has it, and \
             cargo build --features otel builds it"
                .to_owned(),
        ));
    }
    let shape = decide(config)?;
    if config.log.python == Some(LogSource::Program)
        && matches!(shape, Shape::Many { mode: Mode::Process, .. })
    {
        return Err(ServerError::Mode(
            "worker processes cannot get the objects in log_config: write them as texts such as \
             \"myapp.logs.Formatter\", name a file, or serve with one worker"
                .to_owned(),
        ));
    }
    if config.workers.preload && !matches!(shape, Shape::Many { mode: Mode::Process, .. }) {
        let why =
            if shape == Shape::Single { "there is one worker" } else { "the workers share one process" };
        tracing::warn!(target: "pounce", "preload has no effect: {why}");
    }
    let needs_name = match shape {
        Shape::Many { mode: Mode::Process, .. } => Some("worker processes import"),
        Shape::Many { mode: Mode::Subinterpreter, .. } => Some("subinterpreters import"),
        _ => config.reload.as_ref().map(|_| "--reload imports"),
    };
    match needs_name.filter(|_| is_given) {
        Some(who) => Err(ServerError::Mode(format!(
            "{who} the application by its name, and it was given as an object: name it, such as \"main:app\", or serve \
             it with one worker"
        ))),
        None => Ok(shape),
    }
}

fn decide(config: &ServerConfig) -> Result<Shape, ServerError> {
    let workers = &config.workers;
    // One per CPU that the process may use: affinity and cgroup quota count.
    let count = workers.count.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let is_replaced =
        workers.max_requests.is_some() || workers.lifetime.is_some() || workers.max_rss.is_some();
    let has_gil = Interpreter::starts_with_gil();
    let mode = match workers.mode {
        WorkerMode::Auto if count == 1 && !is_replaced => return Ok(Shape::Single),
        WorkerMode::Auto if !has_gil && workers.max_rss.is_none() => Mode::Thread,
        WorkerMode::Auto | WorkerMode::Process => Mode::Process,
        WorkerMode::Thread => Mode::Thread,
        WorkerMode::Subinterpreter if Interpreter::HAS_SUBINTERPRETERS => Mode::Subinterpreter,
        WorkerMode::Subinterpreter => {
            let python = Interpreter::describe();
            let why = format!(
                "--worker-mode subinterpreter needs Python 3.12 or newer; this program runs {python}"
            );
            return Err(ServerError::Mode(why));
        }
    };
    let is_factory = config.app.factory || config.app.target.ends_with("()");
    if mode == Mode::Thread && config.lifecycle.lifespan_scope == LifespanScope::Worker && !is_factory {
        return Err(ServerError::Mode(
            "--lifespan-scope worker needs an application for each worker thread, and one object is shared by \
             all: name a factory (module:create_app() or --factory), or use --worker-mode process"
                .to_owned(),
        ));
    }
    if mode != Mode::Process && workers.max_rss.is_some() {
        tracing::warn!(target: "pounce", "workers-max-rss has no effect: the workers share one process");
    }
    if mode == Mode::Thread && has_gil && count > 1 {
        let why = if Interpreter::IS_FREE_THREADED { " with PYTHON_GIL=1" } else { "" };
        tracing::warn!(
            target: "pounce",
            "threads of {}{why} take turns, and use one CPU together; --worker-mode process uses all",
            Interpreter::describe()
        );
    }
    Ok(Shape::Many { count, mode })
}

/// The workers in the operator's words: `1 worker`, `4 worker processes`.
pub(crate) fn describe(shape: Shape) -> String {
    let (count, one, several) = match shape {
        Shape::Single => (1, "worker", "workers"),
        Shape::Many { count, mode: Mode::Process } => (count, "worker process", "worker processes"),
        Shape::Many { count, mode: Mode::Thread } => (count, "worker thread", "worker threads"),
        Shape::Many { count, mode: Mode::Subinterpreter } => (count, "subinterpreter", "subinterpreters"),
    };
    format!("{count} {}", if count == 1 { one } else { several })
}
