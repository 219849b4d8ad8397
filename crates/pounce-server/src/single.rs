//! One worker, on the main thread, with no supervisor.
//!
//! A restart (SIGHUP) starts a new worker on the same loop, which loads the application afresh. Once the new worker
//! serves, the old one drains. If the new one fails to start, the old one stays.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pounce_asgi::python::{self, EventLoop, Interpreter, RunError, SetAside, Stacks};
use pounce_metrics::{Place, Restart};
use pounce_supervisor::{Command, Notice, Status, WorkerEnd};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::context::ServerContext;
use crate::error::ServerError;
use crate::handle::{Order, Request};
use crate::logging;
use crate::serve::{Job, WorkerContext, load, serve};
use crate::systemd;
use crate::watchdog::{self, GRACE};

/// Imports the application, starts it, serves it, and shuts it down.
///
/// # Errors
/// The application cannot be loaded, started or served.
pub(crate) fn run(
    server: &Rc<ServerContext>,
    interpreter: &Interpreter,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<(), ServerError> {
    let server = Rc::clone(server);
    python::run(interpreter, server.worker.app.event_loop, async move |event_loop| {
        let stacks = watchdog::stacks(&event_loop);
        let alone = Arc::new(AtomicBool::new(true));
        Single { server, event_loop, stacks, alone }.work(orders).await
    })?
}

struct Single {
    server: Rc<ServerContext>,
    event_loop: EventLoop,
    stacks: Option<Arc<Stacks>>,
    /// Whether the watchdog may end the process for a worker: not from the first restart until the server stops.
    alone: Arc<AtomicBool>,
}

/// A worker of one generation.
struct Running {
    end: WorkerEnd,
    task: JoinHandle<Result<(), ServerError>>,
    serves: oneshot::Receiver<()>,
    /// The modules of the previous generation, put back if this one fails.
    modules: Option<SetAside>,
}

impl Single {
    async fn work(&self, mut orders: mpsc::UnboundedReceiver<Order>) -> Result<(), ServerError> {
        let server = &self.server;
        tokio::task::spawn_local(systemd::feed_watchdog());
        let mut current = self.begin(0, None);
        let mut next: Option<Running> = None;
        let mut generation = 0;
        let mut draining = Vec::new();
        let mut stopping = false;
        let served = loop {
            tokio::select! {
                biased;
                served = &mut current.task => break flatten(served),
                () = server.handle.stopped(), if !stopping => {
                    stopping = true;
                    server.refuse_connections();
                    self.alone.store(true, Ordering::Release);
                    // One that is executed again serves at once, and waits for no load balancer.
                    let stops = server.handle.asked() == Request::Stop;
                    let command = if stops { Command::Shutdown } else { Command::ReloadDrain };
                    for running in [Some(&current), next.as_ref()].into_iter().flatten() {
                        running.end.tell(command);
                    }
                }
                served = first(&mut next) => match (next.take(), served) {
                    (Some(serving), None) => {
                        let old = std::mem::replace(&mut current, serving);
                        old.end.tell(Command::ReloadDrain);
                        draining.push(old.task);
                    }
                    (failed, Some(served)) => {
                        if let Some(modules) = failed.and_then(|failed| failed.modules) {
                            self.event_loop.put_modules_back(modules, &server.code_folders());
                        }
                        if let (false, Err(error)) = (stopping, flatten(served)) {
                            server.announcer.notice(Notice::ReloadFailed(error.with_hint()));
                        }
                    }
                    (None, None) => {}
                },
                () = settled(&mut draining) => self.event_loop.settle(),
                Some(order) = orders.recv() => match order {
                    Order::Restart if server.is_app_given() => tracing::warn!(
                        target: "pounce",
                        "not reloaded: the application was given as an object, not by its name"
                    ),
                    Order::Restart if next.is_none() && !stopping && server.limit.is_known() => {
                        self.alone.store(false, Ordering::Release);
                        server.announcer.restarting();
                        server.refresh_tls();
                        generation += 1;
                        if let Some(metrics) = &server.metrics {
                            metrics.restarted(Restart::Reload);
                        }
                        let modules = self.event_loop.set_modules_aside(&server.code_folders());
                        next = Some(self.begin(generation, Some(modules)));
                    }
                    Order::Restart => tracing::info!(target: "pounce", "not reloaded: a start is under way already"),
                    Order::ShowStacks => {}
                    Order::SetLogLevel(least) => logging::set_level(least),
                    Order::ScaleUp | Order::ScaleDown | Order::ScaleTo(_) => tracing::warn!(
                        target: "pounce",
                        "a server of one worker has no supervisor to add others; start it with --workers"
                    ),
                },
            }
        };
        let lifecycle = &server.worker.lifecycle;
        let left = lifecycle.stop_timeout() + 2 * lifecycle.timeout_startup + GRACE;
        for old in next.map(|next| next.task).into_iter().chain(draining) {
            if !old.is_finished() {
                server.watchdog.arm(left, 0, "the application's shutdown does not end; stopped without it");
            }
            let _ = old.await;
        }
        served
    }

    /// Starts a worker, next to those that run.
    fn begin(&self, generation: u32, modules: Option<SetAside>) -> Running {
        let server = Rc::clone(&self.server);
        let (serving, serves) = oneshot::channel();
        let serving = std::sync::Mutex::new(Some(serving));
        let (announcer, handle, limit) =
            (server.announcer.clone(), server.handle.clone(), Arc::clone(&server.limit));
        let drain = server.worker.lifecycle.stop_timeout();
        let end = WorkerEnd::new(move |status| {
            match status {
                Status::Serving => {}
                // The worker drains but the server does not stop: its replacement serves.
                Status::Draining if handle.asked() == Request::Run => {
                    return announcer.notice(Notice::Reloaded);
                }
                _ => return,
            }
            limit.set(drain + GRACE);
            if generation == 0 && handle.asked() == Request::Run {
                announcer.ready();
            }
            let serving = serving.lock().ok().and_then(|mut serving| serving.take());
            // Fails once the server stops: the receiver is gone then.
            let _ = serving.map(|serving| serving.send(()));
        });
        let context = WorkerContext {
            end: end.clone(),
            watchdog: server.watchdog.clone(),
            stacks: self.stacks.clone(),
            alone: Arc::clone(&self.alone),
        };
        let event_loop = self.event_loop.clone();
        let task = tokio::task::spawn_local(async move {
            context.arm_startup(&server.worker);
            let app = Rc::new(load(
                &event_loop,
                &server.worker,
                server.objects.as_deref(),
                server.worker.lifecycle.lifespan,
            )?);
            let duplicates = server.listeners.duplicate();
            let listeners =
                duplicates.map_err(|error| ServerError::System { what: "cannot serve", error })?;
            let place = server.metrics.as_ref().and_then(|metrics| metrics.take_place(0, generation));
            let job = Job {
                config: Arc::clone(&server.worker),
                worker_id: 0,
                generation,
                listeners,
                max_requests: None,
                load: None,
                metrics: place.as_ref().map(Place::metrics),
                tls: server.tls.clone(),
            };
            serve(&event_loop, app, job, &context).await
        });
        Running { end, task, serves, modules }
    }
}

type Ended = Result<Result<(), ServerError>, tokio::task::JoinError>;

/// Waits until the worker serves (`None`) or has ended. Without a worker, waits forever.
async fn first(next: &mut Option<Running>) -> Option<Ended> {
    let Some(next) = next else { return std::future::pending().await };
    tokio::select! {
        biased;
        Ok(()) = &mut next.serves => None,
        ended = &mut next.task => Some(ended),
    }
}

/// Waits until the oldest draining worker has ended, and removes it. Without one, waits forever.
async fn settled(draining: &mut Vec<JoinHandle<Result<(), ServerError>>>) {
    let Some(oldest) = draining.first_mut() else { return std::future::pending().await };
    let _ = oldest.await;
    draining.remove(0);
}

fn flatten(ended: Ended) -> Result<(), ServerError> {
    ended.unwrap_or(Err(ServerError::Run(RunError::Panicked)))
}
