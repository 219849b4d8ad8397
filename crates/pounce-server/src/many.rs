//! Several workers under a supervisor.

mod fork_servers;
mod restarts;
mod workers;

use std::rc::Rc;
use std::sync::Arc;

use pounce_asgi::python::{self, Interpreter};
use pounce_config::LifespanScope;
use pounce_supervisor::{Leftover, Mode, OperatorRequest, Outcome, Policy, Supervisor};
use tokio::sync::mpsc;

use crate::context::ServerContext;
use crate::error::ServerError;
use crate::handle::{Order, Request};
use crate::{logging, systemd};
use workers::Workers;

/// How a server with several workers ended.
pub(crate) struct Supervised {
    pub(crate) served: Result<(), ServerError>,
    /// Number of worker threads that did not end: Python cannot be finalized while they run.
    pub(crate) left: usize,
}

/// Whether the server needs Python in its own process.
pub(crate) fn needs_python(server: &ServerContext, mode: Mode) -> bool {
    mode != Mode::Process
        || server.worker.lifecycle.lifespan_scope == LifespanScope::Server
        || server.worker.log.python.is_some()
}

/// Runs the workers until the server is told to stop.
///
/// # Errors
/// The runtime cannot be created.
pub(crate) fn run(
    server: &Rc<ServerContext>,
    interpreter: Option<&Arc<Interpreter>>,
    (count, mode): (usize, Mode),
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<Supervised, ServerError> {
    let supervisor = Supervisor::new(mode, policy(server, count, mode));
    let server = Rc::clone(server);
    match interpreter {
        Some(interpreter) => {
            let own = Arc::clone(interpreter);
            Ok(python::run(interpreter, server.worker.app.event_loop, async move |event_loop| {
                let workers = Rc::new(Workers::new(&server, mode, Some((own, event_loop))));
                supervise(&server, supervisor, workers, orders).await
            })?)
        }
        None => {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build_local(tokio::runtime::LocalOptions::default());
            let runtime =
                runtime.map_err(|error| ServerError::System { what: "cannot wait for events", error })?;
            let workers = Rc::new(Workers::new(&server, mode, None));
            Ok(runtime.block_on(supervise(&server, supervisor, workers, orders)))
        }
    }
}

async fn supervise(
    server: &Rc<ServerContext>,
    supervisor: Supervisor,
    workers: Rc<Workers>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> Supervised {
    tokio::task::spawn_local(systemd::feed_watchdog());
    let supervised = supervisor.handle();
    let stopping = {
        let (server, supervised) = (Rc::clone(server), supervised.clone());
        async move {
            server.handle.stopped().await;
            server.refuse_connections();
            supervised.shutdown();
        }
    };
    let context = Rc::clone(server);
    let obeying = async move {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Restart => {
                    context.announcer.restarting();
                    supervised.restart_workers();
                }
                Order::ScaleUp => supervised.add_worker(),
                Order::ScaleDown => supervised.remove_worker(),
                Order::ScaleTo(count) => supervised.scale_to(count),
                Order::ShowStacks => supervised.request(OperatorRequest::ShowStack),
                Order::SetLogLevel(least) => {
                    logging::set_level(least);
                    context.log_level.set(Some(least));
                    supervised.request(OperatorRequest::SetLogLevel { least });
                }
            }
        }
    };
    let (stopping, obeying) = (tokio::task::spawn_local(stopping), tokio::task::spawn_local(obeying));
    let listeners = Arc::clone(&server.listeners);
    let (outcome, Leftover(left)) = supervisor.run(Rc::clone(&workers), listeners).await;
    stopping.abort();
    obeying.abort();
    workers.close().await;
    let served = match outcome {
        Outcome::Stopped => Ok(()),
        // Ctrl-C in a terminal may kill a worker that does not listen to signals yet.
        Outcome::StartupFailed(_) if server.handle.asked() == Request::Stop => Ok(()),
        Outcome::StartupFailed(why) => Err(workers.take_failure().unwrap_or(ServerError::Worker(why))),
        Outcome::GivenUp => Err(ServerError::NoWorkers),
    };
    Supervised { served, left }
}

fn policy(server: &ServerContext, count: usize, mode: Mode) -> Policy {
    let (workers, lifecycle) = (&server.workers, &server.worker.lifecycle);
    Policy {
        workers: count,
        killable: mode == Mode::Process,
        respawn_limit: workers.respawn_limit,
        respawn_window: workers.respawn_window,
        startup_timeout: lifecycle.timeout_startup,
        drain_timeout: lifecycle.stop_timeout(),
        shutdown_timeout: lifecycle.timeout_startup,
        healthcheck: lifecycle.timeout_healthcheck,
        max_requests: workers.max_requests,
        max_requests_jitter: workers.max_requests_jitter,
        lifetime: workers.lifetime,
        lifetime_jitter: workers.lifetime_jitter,
        max_rss: workers.max_rss.filter(|_| mode == Mode::Process),
        seed: u64::from(std::process::id()),
    }
}
