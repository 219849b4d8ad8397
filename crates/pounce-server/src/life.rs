//! The phases of a server: CONFIG → DETECT → BIND → LIFESPAN → LISTEN → SERVE → SHUTDOWN.
//!
//! This file has the phases that all servers share; `single` and `many` are the two ways to serve.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pounce_asgi::python::{Interpreter, ProgramObjects};
use pounce_config::{Origin, ServerConfig};
use pounce_metrics::Scoreboard;
use pounce_supervisor::Mode;
use pounce_worker::tls::{TicketSecret, TlsStore};
use tokio::sync::mpsc;

use crate::announce::Announcer;
use crate::context::{ServerContext, StopLimit};
use crate::control::{Control, Subject};
use crate::detect::{Shape, shape};
use crate::error::ServerError;
use crate::handle::{Order, Request, ServerHandle, ServerState};
use crate::host::Host;
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::pid_file::PidFile;
use crate::process::{self, Identity};
use crate::python_log::{self, PythonLog};
use crate::redirect::Redirect;
use crate::watchdog::{GRACE, Watchdog};
use crate::{logging, many, output, reload, settings, signals, single, systemd};

/// Runs a server from configuration to shutdown.
pub(crate) fn run(
    mut config: ServerConfig,
    objects: Option<Arc<ProgramObjects>>,
    host: Arc<dyn Host>,
    handle: ServerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<(), ServerError> {
    if handle.asked() == Request::Stop {
        return Ok(());
    }
    // An error means that the folder is gone; the program is not executed again from it then.
    let started_in = std::env::current_dir().unwrap_or_default();
    process::prepare(&config.process)?;
    let identity = Identity::of(&config.process)?;
    logging::install(&config.log)?;
    for note in config.notes() {
        tracing::warn!(target: "pounce", "{note}");
    }
    let shape = shape(&config, objects.as_ref().is_some_and(|objects| objects.has_app()))?;
    let tls = open_tls(&config)?;
    let pid_file = config.process.pid.as_deref().map(PidFile::write).transpose()?.map(Arc::new);
    let slots = match shape {
        Shape::Single => 0,
        Shape::Many { count, .. } => count,
    };
    adopt_listeners(&mut config);
    let listeners = Arc::new(Listeners::open(&config.listen, config.workers.reuse_port, slots)?);
    let addresses = listeners.addresses();
    let beside = Metrics::open(&config)
        .and_then(|metrics| Ok((metrics, Control::open(&config)?, Redirect::open(&config, &addresses)?)));
    let (metrics, control, redirect) = match beside {
        Ok(beside) => beside,
        Err(error) => {
            listeners.close();
            return Err(error);
        }
    };
    if let Some(identity) = identity
        && let Err(error) = become_user(&identity, &config, &listeners, pid_file.as_deref())
    {
        listeners.close();
        return Err(error);
    }
    // An error is ignored here: starting the interpreter reports it.
    let virtualenv = host.environment(&settings::interpreter(&config.worker())).ok().flatten();
    let announcer = Announcer::new(&config, shape, &addresses, virtualenv.as_deref(), handle.clone());
    handle.set_state(ServerState::Bound(addresses));
    announcer.loading(&config.app.target);
    let bound = Bound {
        config,
        objects,
        host: Arc::clone(&host),
        shape,
        tls,
        handle: handle.clone(),
        announcer,
        listeners: Arc::clone(&listeners),
        pid_file: pid_file.clone(),
        metrics: metrics.scoreboard.clone(),
        control,
    };
    let beside =
        metrics.serve().and_then(|metrics| Ok((metrics, redirect.map(Redirect::serve).transpose()?)));
    let result = beside.and_then(|beside| bound.run(orders).map(|()| drop(beside)));
    match handle.asked() {
        Request::Reload => {
            output::flush();
            let error = reload::execute_again(&*host, &listeners, &started_in);
            Err(ServerError::System { what: "cannot execute the program again", error })
        }
        _ => {
            listeners.close();
            if let Some(file) = pid_file {
                file.remove();
            }
            result
        }
    }
}

/// Listens at the sockets that systemd hands over, unless the configuration says where to listen.
fn adopt_listeners(config: &mut ServerConfig) {
    let is_given = |name| *config.origin(name) != Origin::Default;
    let handed_over = systemd::listeners();
    if !handed_over.is_empty() && !["bind", "host", "port", "uds", "fd"].into_iter().any(is_given) {
        config.listen.binds = handed_over;
    }
}

/// Becomes the user, who gets the files that the server has made.
fn become_user(
    identity: &Identity,
    config: &ServerConfig,
    listeners: &Listeners,
    pid_file: Option<&PidFile>,
) -> Result<(), ServerError> {
    let logs = [&config.log.access_file, &config.log.error_file].into_iter().flatten().cloned();
    let pid_file = pid_file.map(|file| file.path().to_owned());
    for path in logs.chain(pid_file).chain(listeners.unix_paths()) {
        identity.own(&path);
    }
    identity.assume()
}

/// Reads certificates and keys, if connections are to be encrypted.
pub(crate) fn open_tls(config: &ServerConfig) -> Result<Option<Arc<TlsStore>>, ServerError> {
    let Some(tls) = config.tls.clone() else { return Ok(None) };
    let secret = TicketSecret::generate().ok_or_else(|| ServerError::System {
        what: "cannot make a secret for session tickets",
        error: io::Error::other("the system has no random numbers"),
    })?;
    Ok(Some(Arc::new(TlsStore::open(tls, config.http.version, secret, None)?)))
}

/// A server whose listeners are open.
struct Bound {
    config: ServerConfig,
    objects: Option<Arc<ProgramObjects>>,
    host: Arc<dyn Host>,
    shape: Shape,
    tls: Option<Arc<TlsStore>>,
    handle: ServerHandle,
    announcer: Announcer,
    listeners: Arc<Listeners>,
    pid_file: Option<Arc<PidFile>>,
    metrics: Option<Scoreboard>,
    control: Option<Control>,
}

/// How serving ended.
struct Ended {
    served: Result<(), ServerError>,
    /// Python, where it ran in this process.
    interpreter: Option<Arc<Interpreter>>,
    log: Option<PythonLog>,
    /// Number of worker threads that did not end.
    left: usize,
}

impl Bound {
    /// Serves, and ends Python.
    fn run(mut self, orders: mpsc::UnboundedReceiver<Order>) -> Result<(), ServerError> {
        let limit = Arc::new(StopLimit::default());
        let watchdog = self.guard(&limit)?;
        // A single worker reloads by executing the program again. So does a server that waits for the user to fix a
        // broken edit.
        let executes_again = Arc::new(AtomicBool::new(self.shape == Shape::Single));
        let watching = watch_files(&self.config, &self.handle, &self.announcer, &executes_again)?;
        let (shape, timeout_startup) = (self.shape, self.config.lifecycle.timeout_startup);
        let reloads = self.config.reload.is_some();
        let clean_up = self.clean_up();
        let (control, stop) = (self.control.take(), self.stop_by(&watchdog, &limit));
        let server = Rc::new(self.into_context(watchdog, limit)?);
        let controlled = control.map(|control| control.serve(subject(&server, shape, stop)?)).transpose()?;
        let Ended { served, interpreter, log, mut left } = serve(&server, shape, orders)?;
        let served = match served {
            // After a broken edit, wait for the next change: it executes the program again.
            Err(error) if reloads && error.exit_code() == 3 && server.handle.asked() == Request::Run => {
                server.watchdog.disarm();
                tracing::error!(target: "pounce", "{error}");
                server.announcer.waiting();
                executes_again.store(true, Ordering::Release);
                server.handle.wait();
                Ok(())
            }
            other => other,
        };
        drop((watching, controlled));
        let exit_code = served.as_ref().map_or_else(ServerError::exit_code, |()| 0);
        let mut says_so = served.is_ok() && server.handle.asked() == Request::Stop;
        if let Some(log) = log {
            // While Python's logging still gets it.
            if let Err(error) = &served {
                tracing::error!(target: "pounce", "{error}");
            } else if std::mem::take(&mut says_so) {
                server.announcer.stopped();
            }
            left += usize::from(!log.end());
        }
        server.watchdog.arm(timeout_startup, exit_code, STUCK);
        if let Some(interpreter) = interpreter {
            finalize(&server, interpreter, left, exit_code, &clean_up);
        }
        server.watchdog.end_if_process_goes_on();
        if says_so {
            server.announcer.stopped();
        }
        served
    }

    /// Starts the threads that act while Python blocks: the watchdog and the signal listener.
    fn guard(&self, limit: &Arc<StopLimit>) -> Result<Watchdog, ServerError> {
        let clean_up = self.clean_up();
        let watchdog = Watchdog::start(self.host.owns_process(), clean_up.clone())
            .map_err(system("cannot start the watchdog"))?;
        if !self.host.handles_signals() {
            return Ok(watchdog);
        }
        signals::listen(self.handle.clone(), self.stop_by(&watchdog, limit), clean_up)
            .map_err(system("cannot listen to signals"))?;
        Ok(watchdog)
    }

    /// What begins a stop: it announces it, and lets the watchdog end a process that does not stop.
    fn stop_by(&self, watchdog: &Watchdog, limit: &Arc<StopLimit>) -> impl Fn() + Send + 'static {
        let (handle, announcer) = (self.handle.clone(), self.announcer.clone());
        let (watchdog, limit) = (watchdog.clone(), Arc::clone(limit));
        move || {
            announcer.stopping();
            match limit.get() {
                Some(limit) => watchdog.arm(limit, 0, "the application does not yield; stopped without it"),
                None => watchdog.arm(GRACE, 0, "stopped during startup, which does not yield"),
            }
            handle.ask(Request::Stop);
        }
    }

    /// What a process that ends at once still does: it prints the last lines and leaves no file behind.
    fn clean_up(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        let (listeners, pid_file) = (Arc::clone(&self.listeners), self.pid_file.clone());
        move || {
            output::flush();
            listeners.close();
            if let Some(file) = &pid_file {
                file.remove();
            }
        }
    }

    fn into_context(self, watchdog: Watchdog, limit: Arc<StopLimit>) -> Result<ServerContext, ServerError> {
        Ok(ServerContext {
            worker: Arc::new(self.config.worker()),
            workers: self.config.workers,
            reload_dirs: self.config.reload.map(|reload| reload.dirs).unwrap_or_default(),
            objects: self.objects,
            host: self.host,
            handle: self.handle,
            announcer: self.announcer,
            watchdog,
            listeners: self.listeners,
            tls: self.tls,
            metrics: self.metrics,
            log_level: Cell::default(),
            answers: Arc::default(),
            limit,
        })
    }
}

/// What the control socket acts on.
fn subject(
    server: &ServerContext,
    shape: Shape,
    stop: impl Fn() + Send + 'static,
) -> Result<Subject, ServerError> {
    let rows = server.metrics.as_ref().map(|metrics| metrics.rows().clone());
    Ok(Subject {
        handle: server.handle.clone(),
        rows: rows
            .ok_or_else(|| system("cannot serve the control socket")(io::ErrorKind::NotFound.into()))?,
        watchdog: server.watchdog.clone(),
        answers: Arc::clone(&server.answers),
        reloads: server.announcer.reloads(),
        serving: server.announcer.serving().to_owned(),
        has_supervisor: shape != Shape::Single,
        has_processes: matches!(shape, Shape::Many { mode: Mode::Process, .. }),
        is_app_given: server.is_app_given(),
        is_reloading: Cell::default(),
        stop: Box::new(stop),
    })
}

/// The message when a thread outlives the server.
const STUCK: &str = "a thread of the application does not end; stopped without it";

fn system(what: &'static str) -> impl Fn(io::Error) -> ServerError {
    move |error| ServerError::System { what, error }
}

/// Starts Python, where this process needs it, and serves.
fn serve(
    server: &Rc<ServerContext>,
    shape: Shape,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<Ended, ServerError> {
    let options = settings::interpreter(&server.worker);
    match shape {
        Shape::Single => {
            let interpreter = Arc::new(server.host.interpreter(&options)?);
            let (log, ready) = hand_over_lines(server, Some(&interpreter));
            let served = ready.and_then(|()| single::run(server, &interpreter, orders));
            Ok(Ended { served, interpreter: Some(interpreter), log, left: 0 })
        }
        Shape::Many { count, mode } => {
            let interpreter = if many::needs_python(server, mode) {
                Some(Arc::new(server.host.interpreter(&options)?))
            } else {
                server.host.environment(&options)?;
                None
            };
            let (log, ready) = hand_over_lines(server, interpreter.as_deref());
            let ended = ready.and_then(|()| many::run(server, interpreter.as_ref(), (count, mode), orders));
            let (served, left) = match ended {
                Ok(ended) => (ended.served, ended.left),
                Err(error) => (Err(error), 0),
            };
            Ok(Ended { served, interpreter, log, left })
        }
    }
}

/// Hands the server's lines to Python's logging, where it runs and is to get them.
fn hand_over_lines(
    server: &ServerContext,
    interpreter: Option<&Interpreter>,
) -> (Option<PythonLog>, Result<(), ServerError>) {
    let started = interpreter
        .map(|interpreter| python_log::start(interpreter, &server.worker, server.objects.as_deref()));
    match started.transpose() {
        Ok(log) => (log.flatten(), Ok(())),
        Err(error) => (None, Err(error)),
    }
}

/// Finalizes Python. If `left` threads still run it, exits the process without finalizing.
fn finalize(
    server: &ServerContext,
    interpreter: Arc<Interpreter>,
    left: usize,
    exit_code: u8,
    clean_up: &dyn Fn(),
) {
    match Arc::into_inner(interpreter) {
        Some(interpreter) if left == 0 => interpreter.finalize(),
        // Executing the program again ends the remaining threads.
        _ if server.handle.asked() == Request::Reload => {}
        _ if !server.host.owns_process() => output::error(STUCK, None),
        _ => {
            output::error(STUCK, None);
            clean_up();
            signal_hook::low_level::exit(exit_code.into());
        }
    }
}

/// Watches the application's files, if configured.
fn watch_files(
    config: &ServerConfig,
    handle: &ServerHandle,
    announcer: &Announcer,
    executes_again: &Arc<AtomicBool>,
) -> Result<Option<reload::FileWatch>, ServerError> {
    let Some(reload) = &config.reload else { return Ok(None) };
    let (announcer, handle, executes_again) = (announcer.clone(), handle.clone(), Arc::clone(executes_again));
    let changed = move |path: String| {
        announcer.reloading(&path);
        if executes_again.load(Ordering::Acquire) {
            handle.ask(Request::Reload);
        } else {
            handle.order(Order::Restart);
        }
    };
    reload::watch(reload, &config.app.folder(), changed).map(Some).map_err(|error| ServerError::System {
        what: "cannot watch the files",
        error: io::Error::other(error),
    })
}
