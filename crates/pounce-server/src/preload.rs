//! The fork server: a process that imports the application and forks workers, which share its memory.
//!
//! It has a single thread, as a process must that forks without exec: no log, no watchdog, no signal handlers. What it has
//! to say it says to the supervisor.

use std::os::fd::RawFd;

use pounce_asgi::python::{self, Interpreter};
use pounce_config::{WorkerConfig, WorkerPlan};
use pounce_supervisor::fork_server::{ForkServerEnd, Forked, Loaded};

use crate::error::ServerError;
use crate::host::Host;
use crate::settings;

/// The first argument of a fork server; the second is the descriptor of its connection.
pub(crate) const ARGUMENT: &str = "__preload";

/// Runs the fork server. Returns in each worker that it forks, with the interpreter that has the application; in itself
/// never.
///
/// # Errors
/// There is no server, or it cannot be heard.
pub(crate) fn run(host: &dyn Host, number: RawFd) -> Result<(Interpreter, Forked), ServerError> {
    let system = |error| ServerError::System { what: "no server", error };
    let (end, text) = ForkServerEnd::attach(number).map_err(system)?;
    let plan = WorkerPlan::from_json(&text).map_err(ServerError::Plan);
    drop(text);
    let loaded = plan.and_then(|plan| {
        let interpreter = host.interpreter(&settings::interpreter(&plan.config))?;
        let threads = load(&interpreter, plan)?;
        Ok((interpreter, threads))
    });
    let (interpreter, threads) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            end.report(Err(error.with_hint())).map_err(system)?;
            return Err(error);
        }
    };
    let may_fork = threads.is_empty();
    let said = if may_fork { Loaded::Fully } else { Loaded::WithThreads(threads) };
    end.report(Ok(said)).map_err(system)?;
    let forked = end.serve(|| interpreter.fork_worker()).map_err(system)?;
    match forked {
        Some(forked) => Ok((interpreter, forked)),
        // What the application has registered for the end is for the workers to do.
        None => signal_hook::low_level::exit(0),
    }
}

/// Imports the application's module; the names of the threads that there are then.
fn load(interpreter: &Interpreter, plan: WorkerPlan) -> Result<Vec<String>, ServerError> {
    let loaded = python::run(interpreter, plan.config.app.event_loop, async move |event_loop| {
        let WorkerConfig { app, .. } = &plan.config;
        event_loop.extend_sys_path(&plan.sys_path);
        crate::serve::set_environment(&event_loop, &plan.config)?;
        Ok::<_, ServerError>(event_loop.preload(&app.target, &app.folder())?)
    });
    loaded.map_err(ServerError::from).flatten()
}
