//! The life itself: CONFIG → DETECT → BIND → LIFESPAN → LISTEN → SERVE → SHUTDOWN.
//!
//! Here is what every server has; `single` and `many` are the two ways to serve.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pounce_asgi::python::Interpreter;
use pounce_config::{ServerConfig, WorkerConfig, WorkersConfig};
use pounce_worker::tls::{TicketSecret, TlsStore};
use tokio::sync::mpsc;

use crate::announce::Announcer;
use crate::detect::{Shape, shape};
use crate::error::ServerError;
use crate::listeners::Listeners;
use crate::server::{Order, Request, ServerHandle};
use crate::watchdog::{GRACE, Watchdog};
use crate::{logging, many, output, reload, settings, signals, single};

/// What the whole life needs.
pub(crate) struct Life {
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) workers: WorkersConfig,
    /// What is watched for changes, besides the application's folder.
    pub(crate) reload_dirs: Vec<PathBuf>,
    /// This program, to be executed for worker processes.
    pub(crate) program: PathBuf,
    pub(crate) handle: ServerHandle,
    pub(crate) announcer: Announcer,
    pub(crate) watchdog: Watchdog,
    pub(crate) listeners: Arc<Listeners>,
    /// What connections are encrypted with.
    pub(crate) tls: Option<Arc<TlsStore>>,
    pub(crate) limit: Arc<StopLimit>,
}

/// How long a stop may take until the process ends without it: what can be known of that so far.
#[derive(Debug, Default)]
pub(crate) struct StopLimit(Mutex<Option<Duration>>);

impl StopLimit {
    pub(crate) fn set(&self, limit: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    /// Whether anything has served yet.
    pub(crate) fn is_known(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    /// Looks whether there are new certificates.
    pub(crate) fn refresh_tls(&self) {
        if let Some(store) = &self.tls {
            store.refresh();
        }
    }

    /// Folders whose modules are the application's own: a restart imports them afresh.
    pub(crate) fn code_folders(&self) -> Vec<PathBuf> {
        self.reload_dirs.iter().cloned().chain([settings::app_dir(&self.worker)]).collect()
    }
}

/// Takes a server through its life.
pub(crate) fn run(
    config: ServerConfig,
    handle: ServerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<(), ServerError> {
    if handle.asked() == Request::Stop {
        return Ok(());
    }
    logging::install(&config.log);
    for note in config.notes() {
        tracing::warn!(target: "pounce", "{note}");
    }
    let shape = shape(&config)?;
    let tls = open_tls(&config)?;
    let slots = match shape {
        Shape::Single => 0,
        Shape::Many { count, .. } => count,
    };
    let listeners = Arc::new(Listeners::open(&config.listen, config.workers.reuse_port, slots)?);
    let announcer = Announcer::new(&config, shape, &listeners.addresses());
    announcer.loading(&config.app.target);
    let result = run_bound((config, shape, tls), &handle, orders, &announcer, &listeners);
    match handle.asked() {
        Request::Reload => {
            output::flush();
            let error = reload::execute_again(&listeners);
            Err(ServerError::System { what: "cannot execute the program again", error })
        }
        _ => {
            listeners.close();
            result
        }
    }
}

/// Reads certificates and keys, if connections are to be encrypted.
fn open_tls(config: &ServerConfig) -> Result<Option<Arc<TlsStore>>, ServerError> {
    let Some(settings) = settings::tls(&config.worker()) else { return Ok(None) };
    let secret = TicketSecret::generate().ok_or_else(|| ServerError::System {
        what: "cannot make a secret for session tickets",
        error: io::Error::other("the system has no random numbers"),
    })?;
    Ok(Some(Arc::new(TlsStore::open(settings, secret, None)?)))
}

fn run_bound(
    (config, shape, tls): (ServerConfig, Shape, Option<Arc<TlsStore>>),
    handle: &ServerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
    announcer: &Announcer,
    listeners: &Arc<Listeners>,
) -> Result<(), ServerError> {
    let system = |what| move |error| ServerError::System { what, error };
    let clean_up = {
        let listeners = Arc::clone(listeners);
        move || {
            output::flush();
            listeners.close();
        }
    };
    let watchdog = Watchdog::start(clean_up.clone()).map_err(system("cannot start the watchdog"))?;
    let limit = Arc::new(StopLimit::default());
    let first_signal = {
        let (announcer, watchdog, limit) = (announcer.clone(), watchdog.clone(), Arc::clone(&limit));
        move || {
            announcer.stopping();
            match limit.get() {
                Some(limit) => watchdog.arm(limit, 0, "the application does not yield; stopped without it"),
                None => watchdog.arm(GRACE, 0, "stopped during startup, which does not yield"),
            }
        }
    };
    signals::listen(handle.clone(), first_signal, clean_up).map_err(system("cannot listen to signals"))?;

    // A worker that serves alone is reloaded by executing the program again; so is a server that waits for a
    // broken edit to be mended.
    let executes_again = Arc::new(AtomicBool::new(shape == Shape::Single));
    let watching = watch_files(&config, handle, announcer, &executes_again)?;
    let program = std::env::current_exe().map_err(system("cannot find this program"))?;
    let timeout_startup = config.lifecycle.timeout_startup;
    let reloads = config.reload.is_some();
    let life = Rc::new(Life {
        worker: Arc::new(config.worker()),
        workers: config.workers,
        reload_dirs: config.reload.map(|reload| reload.dirs).unwrap_or_default(),
        program,
        handle: handle.clone(),
        announcer: announcer.clone(),
        watchdog: watchdog.clone(),
        listeners: Arc::clone(listeners),
        tls,
        limit,
    });
    let options = settings::interpreter(&life.worker);
    let (served, interpreter, left) = match shape {
        Shape::Single => {
            let interpreter = Arc::new(Interpreter::start(&options)?);
            (single::run(&life, &interpreter, orders), Some(interpreter), 0)
        }
        Shape::Many { count, mode } => {
            let interpreter = if many::needs_python(&life, mode) {
                Some(Arc::new(Interpreter::start(&options)?))
            } else {
                Interpreter::check(&options)?;
                None
            };
            let ended = many::run(&life, interpreter.as_ref(), (count, mode), orders)?;
            (ended.served, interpreter, ended.left)
        }
    };
    let served = match served {
        // A broken edit is waited out: the next change starts the program anew.
        Err(error) if reloads && error.exit_code() == 3 && handle.asked() == Request::Run => {
            watchdog.disarm();
            tracing::error!(target: "pounce", "{error}");
            announcer.waiting();
            executes_again.store(true, Ordering::Release);
            handle.wait();
            Ok(())
        }
        other => other,
    };
    drop((watching, life));
    let exit_code = served.as_ref().map_or_else(ServerError::exit_code, |()| 0);
    let stuck = "a thread of the application does not end; stopped without it";
    watchdog.arm(timeout_startup, exit_code, stuck);
    match interpreter.map(Arc::into_inner) {
        Some(Some(interpreter)) if left == 0 => interpreter.finalize(),
        None => {}
        // A program that is executed in our place takes their threads with it.
        Some(_) if handle.asked() == Request::Reload => {}
        // Threads run Python still: it cannot be ended under them.
        Some(_) => {
            output::error(stuck, None);
            output::flush();
            listeners.close();
            signal_hook::low_level::exit(exit_code.into());
        }
    }
    if served.is_ok() && handle.asked() == Request::Stop {
        announcer.stopped();
    }
    served
}

/// Watches the application's files, if that was asked for.
fn watch_files(
    config: &ServerConfig,
    handle: &ServerHandle,
    announcer: &Announcer,
    executes_again: &Arc<AtomicBool>,
) -> Result<Option<reload::Watching>, ServerError> {
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
    reload::watch(reload, &settings::app_dir(&config.worker()), changed).map(Some).map_err(|error| {
        ServerError::System { what: "cannot watch the files", error: io::Error::other(error) }
    })
}
