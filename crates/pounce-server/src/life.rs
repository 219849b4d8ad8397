//! The life itself: CONFIG → DETECT → BIND → LIFESPAN → SERVE → SHUTDOWN, for one worker.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pounce_asgi::App as _;
use pounce_asgi::python::{self, EventLoop, Interpreter, PythonApp};
use pounce_config::{ServerConfig, parse_env_file};
use pounce_worker::Worker;

use crate::access_log::{AccessLog, Writer};
use crate::announce::Announcer;
use crate::error::ServerError;
use crate::listeners::Listeners;
use crate::server::{Request, ServerHandle};
use crate::watchdog::{GRACE, Watchdog};
use crate::{logging, reload, settings, signals};

/// What the whole life needs.
struct Life {
    config: ServerConfig,
    handle: ServerHandle,
    announcer: Announcer,
    watchdog: Watchdog,
    writer: Option<Writer>,
    /// Set while requests are served: only then is there anything to drain.
    serving: Arc<AtomicBool>,
}

/// Takes a server through its life.
pub(crate) fn run(config: ServerConfig, handle: ServerHandle) -> Result<(), ServerError> {
    if handle.asked() == Request::Stop {
        return Ok(());
    }
    logging::install(&config.log);
    for note in config.notes() {
        tracing::warn!(target: "pounce", "{note}");
    }
    let announcer = Announcer { json: logging::is_json(&config.log) };
    announcer.banner(&config.app.target);
    let listeners = Arc::new(Listeners::open(&config.listen)?);
    let result = run_bound(config, &handle, announcer, &listeners);
    match handle.asked() {
        Request::Reload => {
            let error = reload::execute_again(&listeners);
            Err(ServerError::System { what: "cannot execute the program again", error })
        }
        _ => {
            listeners.close();
            result
        }
    }
}

fn run_bound(
    config: ServerConfig,
    handle: &ServerHandle,
    announcer: Announcer,
    listeners: &Arc<Listeners>,
) -> Result<(), ServerError> {
    let system = |what| move |error| ServerError::System { what, error };
    let writer = config.log.access.is_some().then(Writer::start).transpose();
    let writer = writer.map_err(system("cannot start the access log"))?;
    let clean_up = {
        let (writer, listeners) = (writer.clone(), Arc::clone(listeners));
        move || {
            if let Some(writer) = &writer {
                writer.flush();
            }
            listeners.close();
        }
    };
    let watchdog = Watchdog::start(clean_up.clone()).map_err(system("cannot start the watchdog"))?;
    let serving = Arc::new(AtomicBool::new(false));
    let first_signal = {
        let (watchdog, serving) = (watchdog.clone(), Arc::clone(&serving));
        let drain = config.lifecycle.timeout_graceful_shutdown;
        move || {
            announcer.stopping();
            if serving.load(Ordering::Acquire) {
                watchdog.arm(drain + GRACE, 0, "the application does not yield; stopped without it");
            } else {
                watchdog.arm(GRACE, 0, "stopped during startup, which does not yield");
            }
        }
    };
    signals::listen(handle.clone(), first_signal, clean_up).map_err(system("cannot listen to signals"))?;
    announcer.listening(&listeners.addresses());

    let life = Rc::new(Life { config, handle: handle.clone(), announcer, watchdog, writer, serving });
    let watching = life.watch_files()?;
    let env = life.read_env_file()?;
    let interpreter = Interpreter::start(&settings::interpreter(&life.config))?;
    let served = life.serve(&interpreter, env, Arc::clone(listeners));
    let served = match served {
        // A broken edit is waited out: the next change starts the program anew.
        Err(error)
            if life.config.reload.is_some() && error.exit_code() == 3 && handle.asked() == Request::Run =>
        {
            life.watchdog.disarm();
            tracing::error!(target: "pounce", "{error}");
            announcer.waiting();
            handle.wait();
            Ok(())
        }
        other => other,
    };
    drop(watching);
    let exit_code = served.as_ref().map_or_else(ServerError::exit_code, |()| 0);
    life.watchdog.arm(
        life.config.lifecycle.timeout_startup,
        exit_code,
        "a thread of the application does not end; stopped without it",
    );
    interpreter.finalize();
    if let Some(writer) = &life.writer {
        writer.flush();
    }
    if served.is_ok() && handle.asked() == Request::Stop {
        announcer.stopped();
    }
    served
}

impl Life {
    /// Imports the application, starts it, serves it, and shuts it down.
    fn serve(
        self: &Rc<Self>,
        interpreter: &Interpreter,
        env: Vec<(String, String)>,
        listeners: Arc<Listeners>,
    ) -> Result<(), ServerError> {
        let life = Rc::clone(self);
        let version = interpreter.describe();
        python::run(interpreter, async move |event_loop| {
            tokio::select! {
                biased;
                served = life.run_app(&event_loop, env, &listeners, &version) => served,
                // Stopped before it served anything.
                () = life.stopped_early() => Ok(()),
            }
        })?
    }

    async fn run_app(
        &self,
        event_loop: &EventLoop,
        env: Vec<(String, String)>,
        listeners: &Listeners,
        version: &str,
    ) -> Result<(), ServerError> {
        let config = &self.config;
        let startup_timeout = config.lifecycle.timeout_startup;
        let too_long = ServerError::StartupTimeout(startup_timeout);
        self.watchdog.arm(startup_timeout + GRACE / 2, too_long.exit_code(), too_long.to_string());
        event_loop.add_environment(env);
        let app_dir = settings::app_dir(config);
        let target = &config.app.target;
        let options = settings::application(config);
        let app = Rc::new(PythonApp::load(event_loop, target, &app_dir, config.app.factory, &options)?);
        match tokio::time::timeout(startup_timeout, app.startup()).await {
            Ok(started) => started.map_err(ServerError::Startup)?,
            Err(_) => return Err(too_long),
        }
        let system = |error| ServerError::System { what: "cannot serve", error };
        let access = match (&config.log.access, &self.writer) {
            (Some(format), Some(writer)) => Some(Box::new(AccessLog::new(format, writer.clone())) as _),
            _ => None,
        };
        let worker = Worker::new(settings::worker(config), Rc::clone(&app), access);
        let own = listeners.duplicate().map_err(system)?;
        event_loop.settle();
        self.watchdog.disarm();
        self.serving.store(true, Ordering::Release);
        if self.handle.asked() == Request::Run {
            self.announcer.ready(version);
        }
        let stopped = async {
            self.handle.stopped().await;
            if self.handle.asked() == Request::Stop {
                // A reload keeps them open; a stop refuses whoever comes now.
                listeners.close();
            }
        };
        let drained = worker.serve(own, stopped).await.map_err(system)?;
        if drained.aborted > 0 {
            tracing::warn!(
                target: "pounce",
                "{} connections were still busy after {:?}; their applications were cancelled",
                drained.aborted,
                config.lifecycle.timeout_graceful_shutdown,
            );
        }
        self.watchdog.arm(
            startup_timeout + GRACE,
            0,
            "the application's shutdown does not end; stopped without it",
        );
        match tokio::time::timeout(startup_timeout, app.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(target: "pounce", "the application's shutdown failed: {error}"),
            Err(_) => {
                tracing::error!(target: "pounce", "the application's shutdown was not complete after {startup_timeout:?}")
            }
        }
        // What is left now is to cancel the application's own tasks. Those that had their time get no more.
        let left =
            if drained.aborted > 0 { Duration::ZERO } else { config.lifecycle.timeout_graceful_shutdown };
        self.watchdog.arm(left + GRACE, 0, "a task of the application does not end; stopped without it");
        Ok(())
    }

    /// Waits for the server to be stopped while it does not serve yet.
    async fn stopped_early(&self) {
        self.handle.stopped().await;
        if self.serving.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }

    /// Watches the application's files, if that was asked for.
    fn watch_files(&self) -> Result<Option<reload::Watching>, ServerError> {
        let Some(config) = &self.config.reload else { return Ok(None) };
        let (handle, announcer) = (self.handle.clone(), self.announcer);
        let changed = move |path: String| {
            announcer.reloading(&path);
            handle.ask(Request::Reload);
        };
        reload::watch(config, &settings::app_dir(&self.config), changed).map(Some).map_err(|error| {
            ServerError::System { what: "cannot watch the files", error: std::io::Error::other(error) }
        })
    }

    fn read_env_file(&self) -> Result<Vec<(String, String)>, ServerError> {
        let Some(path) = &self.config.app.env_file else { return Ok(Vec::new()) };
        let fault = |reason: String| ServerError::EnvFile { path: Path::to_owned(path), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        parse_env_file(&text).map_err(|error| fault(error.to_string()))
    }
}
