//! A worker: an application, listeners and a control channel, on the loop of one thread.
//!
//! Workers of all kinds run through this file: startup, serve, drain, shutdown.

use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pounce_asgi::python::{EventLoop, ProgramObjects, PythonApp, Stacks};
use pounce_config::{LifespanMode, WorkerConfig, parse_env_file};
use pounce_metrics::WorkerMetrics;
use pounce_net::{Listener, Load};
use pounce_supervisor::{Command, Heartbeat, Status, WorkerEnd};
use pounce_worker::tls::TlsStore;
use pounce_worker::{Drained, Observer, Queue, Worker};

use crate::access_log::AccessLog;
use crate::error::ServerError;
use crate::waiting::name_open_requests;
use crate::watchdog::{GRACE, Subject, Watchdog, rss};
use crate::{lifespan, observers, settings};

/// What a worker serves, as decided by its server.
pub(crate) struct Job {
    pub(crate) config: Arc<WorkerConfig>,
    pub(crate) worker_id: u32,
    pub(crate) generation: u32,
    pub(crate) listeners: Vec<Listener>,
    /// Number of requests after which the worker asks to be replaced.
    pub(crate) max_requests: Option<NonZeroU64>,
    /// Its entry in the load table of the workers that accept from the same sockets.
    pub(crate) load: Option<Load>,
    /// Where it counts what it does.
    pub(crate) metrics: Option<WorkerMetrics>,
    /// Certificates and keys; `None` without TLS.
    pub(crate) tls: Option<Arc<TlsStore>>,
}

/// What the process or thread of a worker provides.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) end: WorkerEnd,
    pub(crate) watchdog: Watchdog,
    pub(crate) stacks: Option<Arc<Stacks>>,
    /// Whether this is the only worker of its process, so that the watchdog may end the process.
    pub(crate) alone: Arc<AtomicBool>,
}

impl WorkerContext {
    /// Makes the watchdog end the process after `after`, unless the worker ends before. Does nothing if other workers
    /// share the process.
    pub(crate) fn arm(&self, after: Duration, exit_code: u8, message: impl Into<String>) {
        if self.is_alone() {
            self.watchdog.arm(after, exit_code, message);
        }
    }

    /// Ends the process if the application's startup blocks the loop for longer than its timeout.
    pub(crate) fn arm_startup(&self, config: &WorkerConfig) {
        if self.is_alone() {
            self.watchdog.arm_startup(config.lifecycle.timeout_startup);
        }
    }

    fn disarm(&self) {
        if self.is_alone() {
            self.watchdog.disarm();
        }
    }

    fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }
}

/// Sets the variables of the environment file and loads the application.
///
/// # Errors
/// The environment file cannot be read, or the application cannot be imported.
pub(crate) fn load(
    event_loop: &EventLoop,
    config: &WorkerConfig,
    object: Option<&ProgramObjects>,
    lifespan: LifespanMode,
) -> Result<PythonApp, ServerError> {
    set_environment(event_loop, config)?;
    Ok(PythonApp::load(event_loop, &config.app, object, lifespan)?)
}

/// Sets the variables of the configuration and of the environment file.
///
/// # Errors
/// The environment file cannot be read.
pub(crate) fn set_environment(event_loop: &EventLoop, config: &WorkerConfig) -> Result<(), ServerError> {
    event_loop.add_environment(&config.app.environment, read_env_file(config)?);
    Ok(())
}

fn read_env_file(config: &WorkerConfig) -> Result<Vec<(String, String)>, ServerError> {
    let Some(path) = &config.app.env_file else { return Ok(Vec::new()) };
    let fault = |reason: String| ServerError::EnvFile { path: path.clone(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    parse_env_file(&text).map_err(|error| fault(error.to_string()))
}

/// Starts the application, serves it until told to end, and shuts it down.
///
/// # Errors
/// The application's startup failed, or its sockets cannot be watched.
pub(crate) async fn serve(
    event_loop: &EventLoop,
    app: Rc<PythonApp>,
    job: Job,
    context: &WorkerContext,
) -> Result<(), ServerError> {
    let config = Arc::clone(&job.config);
    let lifecycle = &config.lifecycle;
    tokio::select! {
        biased;
        started = lifespan::start(&app, lifecycle.timeout_startup) => started?,
        // Stopped before its startup was complete.
        _ = context.end.told() => return Ok(()),
    }
    let served = serve_started(event_loop, &app, job, context).await;
    let message = "the application's shutdown does not end; stopped without it";
    context.arm(lifecycle.timeout_startup + GRACE, 0, message);
    lifespan::shut_down(&app, lifecycle.timeout_startup).await;
    // Now the application's own tasks are cancelled. Those that had their time get no more.
    let was_aborted = served?.is_some_and(|drained| drained.aborted > 0);
    let left = if was_aborted { Duration::ZERO } else { lifecycle.timeout_graceful_shutdown };
    context.arm(left + GRACE, 0, "a task of the application does not end; stopped without it");
    context.end.reporter().report(Status::Stopped);
    Ok(())
}

/// Serves an application whose lifespan has started. `None` if the worker is told to end before it serves.
async fn serve_started(
    event_loop: &EventLoop,
    app: &Rc<PythonApp>,
    job: Job,
    context: &WorkerContext,
) -> Result<Option<Drained>, ServerError> {
    let config = &*job.config;
    let lifecycle = &config.lifecycle;
    let reporter = context.end.reporter();
    let hooks =
        Hooks { app: Rc::clone(app), job: (job.worker_id, job.generation), on: lifecycle.worker_hooks };
    tokio::select! {
        biased;
        called = hooks.call("startup", lifecycle.timeout_startup) => called.map_err(ServerError::Hook)?,
        _ = context.end.told() => return Ok(None),
    }

    let mut observers: Vec<Box<dyn Observer>> = Vec::new();
    observers.extend(AccessLog::of(&config.log).map(|access| Box::new(access) as _));
    // Dropped after the worker, and so after what it notes.
    #[cfg(feature = "otel")]
    let _export = match crate::spans::start(config, job.metrics.as_ref())? {
        Some((spans, export)) => {
            observers.push(Box::new(spans));
            Some(export)
        }
        None => None,
    };
    let metrics = job.metrics;
    let _watched =
        metrics.clone().and_then(|metrics| event_loop.watch_collector(move |lasted| metrics.pause(lasted)));
    let settings = settings::worker(config, job.max_requests, job.load, job.tls, metrics.as_ref());
    let worker = Worker::new(settings, Rc::clone(app), observers::together(observers));
    let requests = worker.requests();
    if context.is_alone() {
        event_loop.settle();
    }
    context.disarm();
    for listener in &job.listeners {
        listener.listen(config.backlog)?;
    }
    if let Some(metrics) = &metrics {
        metrics.serves(std::process::id());
    }
    reporter.report(Status::Serving);
    let subject = Subject {
        name: format!("worker {}", job.worker_id),
        timeout: lifecycle.timeout_healthcheck,
        blocked: lifecycle.log_blocked_loop,
        stacks: context.stacks.clone(),
        reporter: reporter.clone(),
        requests: Arc::clone(&requests),
        metrics: metrics.clone(),
    };
    let watching = context.watchdog.watch(event_loop, subject);

    let spent = async {
        worker.spent().await;
        let requests = requests.load(Ordering::Relaxed);
        reporter.report(Status::Heartbeat(Heartbeat { busy: true, requests, rss: rss() }));
        std::future::pending().await
    };
    let (tell_draining, is_draining) = tokio::sync::oneshot::channel();
    let told = async {
        let command = tokio::select! {
            command = context.end.told() => command,
            never = spent => never,
        };
        if command == Command::Shutdown && !lifecycle.drain_delay.is_zero() {
            // Load balancers learn of the stop before connections are refused.
            worker.set_not_ready();
            tokio::time::sleep(lifecycle.drain_delay).await;
        }
        if let Some(metrics) = &metrics {
            metrics.drains();
        }
        reporter.report(Status::Draining);
        let (hooks, timeout) = (hooks.clone(), lifecycle.timeout_graceful_shutdown);
        tokio::task::spawn_local(async move { hooks.call_and_log("draining", timeout).await });
        let message = "the application does not yield; stopped without it";
        context.arm(lifecycle.timeout_graceful_shutdown + GRACE, 0, message);
        let _ = tell_draining.send(command);
        if command == Command::ReloadDrain { Queue::Leave } else { Queue::Take }
    };
    let naming = async {
        if let Ok(command) = is_draining.await {
            name_open_requests(&worker, command, lifecycle.timeout_graceful_shutdown).await;
        }
        std::future::pending().await
    };
    let drained = tokio::select! {
        drained = worker.serve(job.listeners, told) => drained,
        never = naming => never,
    };
    let drained = drained.map_err(|error| ServerError::System { what: "cannot serve", error })?;
    if drained.aborted > 0 {
        tracing::warn!(
            target: "pounce",
            "{} connections were still busy after {:?}; their applications were cancelled",
            drained.aborted,
            lifecycle.timeout_graceful_shutdown,
        );
    }
    drop(watching);
    reporter.report(Status::Idle);

    let message = "the application's shutdown does not end; stopped without it";
    context.arm(lifecycle.timeout_startup + GRACE, 0, message);
    hooks.call_and_log("shutdown", lifecycle.timeout_startup).await;
    Ok(Some(drained))
}

/// Calls the application's worker hooks (`pounce.worker.startup` and so on), if configured.
#[derive(Clone)]
struct Hooks {
    app: Rc<PythonApp>,
    /// The worker's id and generation.
    job: (u32, u32),
    on: bool,
}

impl Hooks {
    async fn call(&self, phase: &str, timeout: Duration) -> Result<(), String> {
        if !self.on {
            return Ok(());
        }
        let called = self.app.hook(phase, self.job.0, self.job.1);
        let called = tokio::time::timeout(timeout, called).await;
        let called = called.unwrap_or_else(|_| Err(format!("it was not complete after {timeout:?}")));
        called.map_err(|error| format!("pounce.worker.{phase}: {error}"))
    }

    async fn call_and_log(&self, phase: &str, timeout: Duration) {
        if let Err(error) = self.call(phase, timeout).await {
            tracing::error!(target: "pounce", "{error}");
        }
    }
}
