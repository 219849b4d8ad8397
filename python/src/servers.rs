//! The servers of this process, as Python sees them: by number.
//!
//! Nothing Python is kept here. An application object lives in the frame of the call that runs its server.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pounce_asgi::python::ProgramObjects;
use pounce_config::{ConfigErrors, Layers};
use pounce_server::{LocalAddr, Server, ServerError, ServerHandle, ServerState};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::hosted::Hosted;

/// A server, until it is dropped; it is run once.
struct Slot {
    server: Option<Server>,
    handle: ServerHandle,
    /// Whether it acts on signals, which is decided when it is run.
    handles_signals: Arc<AtomicBool>,
}

static SERVERS: Mutex<BTreeMap<u64, Slot>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

type Keywords<'a, 'py> = Option<&'a Bound<'py, PyDict>>;

/// `new_server(options, executable, flags, restarted, virtualenv) -> int`: configures a server.
pub(crate) fn new_server(arguments: &Bound<'_, PyTuple>, _: Keywords<'_, '_>) -> PyResult<u64> {
    type Options = Vec<(String, Vec<String>)>;
    let (options, executable, flags, restarted, virtualenv): (
        Options,
        OsString,
        Vec<OsString>,
        Vec<OsString>,
        Option<OsString>,
    ) = arguments.extract()?;
    let host = Hosted::in_program(executable, flags, restarted, virtualenv);
    let handles_signals = host.handles_signals_if();
    let config = Layers::new().keywords(options).build();
    let config = config.map_err(|errors| config_error(arguments.py(), &errors))?;
    let server = Server::new(config, host);
    let handle = server.handle();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    servers().insert(number, Slot { server: Some(server), handle, handles_signals });
    Ok(number)
}

/// `run_server(number, app, wrap, log_config, handles_signals) -> None`: serves until it is stopped. `app` is an application,
/// or None for the one that the options name; `wrap` is called with the application and returns the one to serve;
/// `log_config` is a dictionary that JSON cannot carry, or None.
pub(crate) fn run_server(arguments: &Bound<'_, PyTuple>, _: Keywords<'_, '_>) -> PyResult<()> {
    let py = arguments.py();
    type Object = Option<Py<PyAny>>;
    let (number, app, wrap, log_config, handles_signals): (u64, Object, Object, Object, bool) =
        arguments.extract()?;
    let server = servers().get_mut(&number).and_then(|slot| {
        slot.handles_signals.store(handles_signals, Ordering::Relaxed);
        slot.server.take()
    });
    let Some(server) = server else {
        return Err(error(py, "PounceError", "a server runs once: make another one", ""));
    };
    // The last reference is this one, so that the objects are dropped attached.
    let objects = Arc::new(ProgramObjects { app, wrap, log_config });
    let server = server.with_objects(Arc::clone(&objects));
    let ran = py.detach(|| {
        let ran = server.run();
        pounce_server::output::flush();
        ran
    });
    drop(objects);
    ran.map_err(|failure| {
        let class = match &failure {
            ServerError::Load(_) => "AppImportError",
            ServerError::Bind(_) => "BindError",
            other if other.exit_code() == 3 => "StartupError",
            other if other.exit_code() == 2 => "ConfigError",
            _ => "PounceError",
        };
        error(py, class, &failure.to_string(), &failure.hint().unwrap_or_default())
    })
}

/// `shutdown_server(number) -> None`
pub(crate) fn shutdown_server(arguments: &Bound<'_, PyTuple>, _: Keywords<'_, '_>) -> PyResult<()> {
    handle(arguments)?.shutdown();
    Ok(())
}

/// `is_asked_to_stop(number) -> bool`
pub(crate) fn is_asked_to_stop(arguments: &Bound<'_, PyTuple>, _: Keywords<'_, '_>) -> PyResult<bool> {
    Ok(handle(arguments)?.is_asked_to_stop())
}

/// `server_state(number) -> tuple[str, list[str]]`: how far it is, and its addresses.
pub(crate) fn server_state(
    arguments: &Bound<'_, PyTuple>,
    _: Keywords<'_, '_>,
) -> PyResult<(&'static str, Vec<Address>)> {
    Ok(told(handle(arguments)?.state()))
}

/// `wait_server(number, seconds) -> tuple[str, list[str]]`: likewise, once it serves or has ended, or after so long.
pub(crate) fn wait_server(
    arguments: &Bound<'_, PyTuple>,
    _: Keywords<'_, '_>,
) -> PyResult<(&'static str, Vec<Address>)> {
    let (number, seconds): (u64, f64) = arguments.extract()?;
    let handle = find(arguments.py(), number)?;
    let at_most = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Ok(told(arguments.py().detach(|| handle.wait_until_serving(at_most))))
}

/// `drop_server(number) -> None`
pub(crate) fn drop_server(arguments: &Bound<'_, PyTuple>, _: Keywords<'_, '_>) -> PyResult<()> {
    let (number,): (u64,) = arguments.extract()?;
    drop(servers().remove(&number));
    Ok(())
}

/// A host and a port, or the path of a Unix socket and None.
type Address = (String, Option<u16>);

fn told(state: ServerState) -> (&'static str, Vec<Address>) {
    let shown = |addresses: Vec<LocalAddr>| {
        let shown = addresses.into_iter().map(|address| match address {
            LocalAddr::Tcp(address) => (address.ip().to_string(), Some(address.port())),
            LocalAddr::Unix(path) => (path.display().to_string(), None),
        });
        shown.collect()
    };
    match state {
        ServerState::New => ("new", Vec::new()),
        ServerState::Bound(addresses) => ("bound", shown(addresses)),
        ServerState::Serving(addresses) => ("serving", shown(addresses)),
        ServerState::Ended => ("ended", Vec::new()),
    }
}

fn servers() -> MutexGuard<'static, BTreeMap<u64, Slot>> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle(arguments: &Bound<'_, PyTuple>) -> PyResult<ServerHandle> {
    let (number,): (u64,) = arguments.extract()?;
    find(arguments.py(), number)
}

fn find(py: Python<'_>, number: u64) -> PyResult<ServerHandle> {
    let found = servers().get(&number).map(|slot| slot.handle.clone());
    found.ok_or_else(|| error(py, "PounceError", "there is no such server", ""))
}

fn config_error(py: Python<'_>, errors: &ConfigErrors) -> PyErr {
    let hints = errors.hints(pounce_config::ConfigFault::hint);
    error(py, "ConfigError", &errors.to_string(), &hints.join("\n"))
}

/// An exception of the package.
fn error(py: Python<'_>, class: &str, message: &str, hint: &str) -> PyErr {
    let made = py.import("pounce._errors").and_then(|module| module.getattr(class)?.call1((message, hint)));
    made.map_or_else(|error| error, PyErr::from_value)
}
