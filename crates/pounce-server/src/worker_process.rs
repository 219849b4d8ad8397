//! A worker process: its server starts it with exec; it works until the server ends it or is gone.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, RawFd};
use std::sync::Arc;

use nix::sys::signal::Signal;
use pounce_asgi::python::{self, Interpreter};
use pounce_config::WorkerPlan;
use pounce_supervisor::fork_server::Forked;
use pounce_supervisor::{Command, OperatorRequest, Status, WorkerEnd, process::attach};

use crate::bootstrap::{Sockets, bootstrap};
use crate::error::ServerError;
use crate::host::Host;
use crate::python_log::{self, PythonLog};
use crate::serve::WorkerContext;
use crate::watchdog::{self, Watchdog};
use crate::{foreign_config, logging, output, preload, process, settings, signals};

/// The first argument of a worker process; the second is the descriptor of its control socket.
pub(crate) const ARGUMENT: &str = "__worker";

/// If a server started this process as a worker, or to evaluate a configuration, does that, and returns the exit code. A
/// program that runs a [`Server`](crate::Server) calls this before anything else, with its arguments but without its name.
pub fn worker_from_arguments(
    host: &dyn Host,
    arguments: impl IntoIterator<Item = OsString> + Clone,
) -> Option<u8> {
    if let Some(code) = foreign_config::evaluate_from_arguments(host, arguments.clone()) {
        return Some(code);
    }
    let mut arguments = arguments.into_iter();
    let first = arguments.next()?;
    let forks = first == preload::ARGUMENT;
    if !forks && first != ARGUMENT {
        return None;
    }
    let number: Option<RawFd> = arguments.next().and_then(|number| number.to_str()?.parse().ok());
    let Some(number) = number else {
        let name = first.display();
        output::error(format!("{name} is for the server itself: it starts its workers with it"), None);
        output::flush();
        return Some(2);
    };
    let worked = if forks { fork(host, number) } else { run(host, number, None) };
    output::flush();
    Some(worked.map_or_else(|error| error.exit_code(), |()| 0))
}

/// Runs the fork server, and each worker that it forks.
fn fork(host: &dyn Host, number: RawFd) -> Result<(), ServerError> {
    let (interpreter, forked) = preload::run(host, number)?;
    run(host, forked.control, Some((interpreter, forked)))
}

/// Runs a worker; one that was forked has the interpreter already, and other numbers for its descriptors.
fn run(host: &dyn Host, control: RawFd, forked: Option<(Interpreter, Forked)>) -> Result<(), ServerError> {
    let orphaned = |is_told: bool| {
        if !is_told {
            output::error(format!("the server is gone; its worker {} stops", std::process::id()), None);
        }
        output::flush();
        signal_hook::low_level::exit(1);
    };
    let no_server = |error| {
        let what = format!("{ARGUMENT} is for the server itself: no server at descriptor {control}: {error}");
        output::error(what, None);
        ServerError::System { what: "no server", error }
    };
    let control = pounce_net::inherited_stream(control).map_err(no_server)?;
    python::disown(control.as_fd());
    let (text, end) = attach(control, orphaned).map_err(no_server)?;
    let plan = WorkerPlan::from_json(&text).map_err(ServerError::Plan);
    drop(text);
    match plan {
        Ok(mut plan) => {
            let interpreter = forked.map(|(interpreter, Forked { numbers, .. })| {
                plan.renumber(|number| numbers.get(&number).copied().unwrap_or(number));
                interpreter
            });
            work(host, plan, &end, interpreter)
        }
        Err(error) => Err(tell(&end, error)),
    }
}

fn work(
    host: &dyn Host,
    plan: WorkerPlan,
    end: &WorkerEnd,
    preloaded: Option<Interpreter>,
) -> Result<(), ServerError> {
    let system = |what| move |error| ServerError::System { what, error };
    if let Some(name) = &plan.config.process_name {
        process::set_name(name);
    }
    logging::install(&plan.config.log).map_err(|error| tell(end, error))?;
    let watchdog = Watchdog::start(true, output::flush).map_err(system("cannot start the watchdog"))?;
    {
        let watchdog = watchdog.clone();
        end.handle(move |request| match request {
            OperatorRequest::ShowStack => {
                let stacks = watchdog.stacks();
                let starts = || "a worker that loads its application".to_owned();
                Some(if stacks.is_empty() { starts() } else { stacks.join("\n") })
            }
            OperatorRequest::SetLogLevel { least } => {
                logging::set_level(least);
                None
            }
        });
    }
    let drain = {
        let end = end.clone();
        // A service manager may send the signal to every process: the server is to stop.
        move || end.tell(Command::Shutdown)
    };
    signals::listen_in_worker(drain, output::flush).map_err(system("cannot listen to signals"))?;
    let finalizing = plan.config.lifecycle.timeout_startup;
    let interpreter = match preloaded {
        Some(mut interpreter) => interpreter.see_signals().map(|()| interpreter),
        None => host.interpreter(&settings::interpreter(&plan.config)),
    };
    let interpreter = interpreter.map_err(|error| tell(end, error.into()))?;
    let log = python_log::start(&interpreter, &plan.config, None).map_err(|error| tell(end, error))?;
    let context = WorkerContext {
        end: end.clone(),
        watchdog: watchdog.clone(),
        stacks: None,
        alone: Arc::new(true.into()),
    };
    let served = python::run(&interpreter, plan.config.app.event_loop, async move |event_loop| {
        let context = WorkerContext { stacks: watchdog::stacks(&event_loop), ..context };
        let told = context.end.clone();
        tokio::task::spawn_local(async move {
            told.told().await;
            // The signal may have been sent to the server only: call the application's handlers here too.
            python::call_handlers_for(Signal::SIGTERM);
        });
        bootstrap(&event_loop, plan, Sockets::Inherited, None, &context).await
    })
    .map_err(ServerError::from)
    .flatten()
    .map_err(|error| tell(end, error));
    let exit_code = served.as_ref().map_or_else(ServerError::exit_code, |()| 0);
    let is_over = log.is_none_or(PythonLog::end);
    watchdog.arm(finalizing, exit_code, "a thread of the application does not end; stopped without it");
    if !is_over {
        output::flush();
        signal_hook::low_level::exit(exit_code.into());
    }
    interpreter.finalize();
    served
}

/// Tells the server why this worker ends.
fn tell(end: &WorkerEnd, error: ServerError) -> ServerError {
    end.reporter().report(Status::Error { detail: error.with_hint() });
    error
}
