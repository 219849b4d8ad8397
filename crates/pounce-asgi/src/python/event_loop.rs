//! Running asyncio and the server's own futures together, on one thread.

use std::cell::RefCell;
use std::ffi::{CStr, OsStr};
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use pounce_config::LoopKind;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};
use tokio::runtime::LocalRuntime;

use super::asyncio::{Asyncio, attached, whole};
use super::callback::{Callback, Wake};
use super::flag::Flag;
use super::forked::{self, Watched};
use super::interpreter::{self, Interpreter};
use super::loop_driver::LoopDriver;
use super::native_loop::loop_class;
use super::object::{self, Type};
use super::own_module::own_module;
use super::owner::Owner;
use super::park;
use super::pulse::{self, Pulse};
use super::signals;
use super::source;
use super::stacks::Stacks;

/// A handle to a running loop. Cheap to clone; only for the loop's thread.
#[derive(Clone)]
pub struct EventLoop {
    pub(super) asyncio: Rc<Asyncio>,
}

impl EventLoop {
    /// Freezes the objects made so far, so that the garbage collector skips them. Call once, after startup.
    pub fn settle(&self) {
        if let Err(error) = self.asyncio.glue.bind(attached()).call_method0("settle") {
            tracing::error!(target: "pounce", "cannot freeze the garbage collector: {error}");
        }
    }

    /// Lets a watchdog observe this loop, and see whom it serves if `notes_requests`. `wake` is called when the loop works
    /// again after a rest.
    pub fn pulse(&self, notes_requests: bool, wake: impl Fn() + Send + Sync + 'static) -> Pulse {
        Pulse::of_this_thread(notes_requests, wake)
    }

    /// Makes the stacks of threads readable. Once per process, in the main interpreter.
    ///
    /// # Errors
    /// Python's error.
    pub fn stacks(&self) -> Result<Stacks, String> {
        Stacks::install(attached()).map_err(|error| self.asyncio.traceback(attached(), &error))
    }

    /// Whether this interpreter has a GIL.
    pub fn has_gil(&self) -> bool {
        let enabled = attached().import("sys").and_then(|sys| sys.call_method0("_is_gil_enabled"));
        enabled.and_then(|enabled| enabled.is_truthy()).unwrap_or(true)
    }

    /// `sys.path`, as far as it is text.
    pub fn sys_path(&self) -> Vec<String> {
        let path = attached().import("sys").and_then(|sys| sys.getattr("path"));
        let entries = path.ok().and_then(|path| path.try_iter().ok()).into_iter().flatten();
        entries.filter_map(|entry| entry.ok()?.extract().ok()).collect()
    }

    /// Appends what `sys.path` lacks of these.
    pub fn extend_sys_path(&self, entries: &[String]) {
        if let Err(error) = self.asyncio.glue.bind(attached()).call_method1("extend_path", (entries,)) {
            tracing::error!(target: "pounce", "cannot extend sys.path: {error}");
        }
    }

    /// Takes the modules under these folders, except installed packages, out of `sys.modules`, so that the next import
    /// loads them anew.
    pub fn set_modules_aside(&self, folders: &[PathBuf]) -> SetAside {
        let py = attached();
        let taken = self.asyncio.glue.bind(py).call_method1("set_modules_aside", (names(folders),));
        let taken = taken.and_then(|taken| Ok(taken.cast_into::<PyDict>()?));
        SetAside(taken.unwrap_or_else(|_| PyDict::new(py)).unbind())
    }

    /// Undoes [`set_modules_aside`](Self::set_modules_aside).
    pub fn put_modules_back(&self, modules: SetAside, folders: &[PathBuf]) {
        let put =
            self.asyncio.glue.bind(attached()).call_method1("put_modules_back", (modules.0, names(folders)));
        if let Err(error) = put {
            tracing::error!(target: "pounce", "cannot put modules back: {error}");
        }
    }

    /// Sets variables in `os.environ`: `given` in place of existing ones, `defaults` where there is none.
    pub fn add_environment(&self, given: &[(String, String)], defaults: Vec<(String, String)>) {
        let added = self.asyncio.glue.bind(attached()).call_method1("add_environment", (given, defaults));
        if let Err(error) = added {
            tracing::error!(target: "pounce", "cannot set the environment: {error}");
        }
    }
}

/// Paths as text: PyO3's conversion to `pathlib.Path` keeps the type in a static.
fn names(paths: &[PathBuf]) -> Vec<&OsStr> {
    paths.iter().map(|path| path.as_os_str()).collect()
}

/// Modules taken out of `sys.modules`, to be imported anew.
pub struct SetAside(Py<PyDict>);

/// Why the loop could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runtime could not be made.
    #[error("cannot wait for events: {0}")]
    Runtime(#[from] std::io::Error),
    /// asyncio failed.
    #[error("the event loop failed\n{0}")]
    Loop(String),
    /// The main future panicked, which is a fault of the server.
    #[error("a fault inside the server; please report it")]
    Panicked,
}

/// Runs `main` to its end on this thread, together with an asyncio loop of that kind, then cancels the remaining tasks and closes
/// the loop as `asyncio.run()` does.
///
/// # Errors
/// See [`RunError`].
pub fn run<R, F>(
    interpreter: &Interpreter,
    kind: LoopKind,
    main: impl FnOnce(EventLoop) -> F + 'static,
) -> Result<R, RunError>
where
    R: 'static,
    F: Future<Output = R> + 'static,
{
    let _ = interpreter;
    let result = Rc::new(RefCell::new(None));
    Python::attach(|py| {
        let runtime = Rc::new(park::runtime()?);
        let watched = Watched::by(&runtime);
        let owner = Arc::new(Owner::this_thread());
        let driver = Rc::default();
        let ran = run_attached(py, kind, &runtime, &owner, &driver, main, Rc::clone(&result));
        // Break the cycle: the loop has a callback that has the driver, which has the loop.
        driver.take();
        if interpreter::is_main_thread() {
            signals::set_main_loop(None);
        }
        // Unregister first: once the runtime is dropped, its descriptors' numbers may be reused.
        drop(watched);
        // Tasks may hold Python objects: they must go while this thread is attached.
        drop(runtime);
        pulse::end();
        owner.close();
        // SAFETY: attached, on the loop's thread.
        unsafe { object::free_memory(&owner) };
        ran.map_err(|error| RunError::Loop(describe(py, &error)))
    })?;
    let result = result.take();
    result.ok_or(RunError::Panicked)
}

fn run_attached<R, F>(
    py: Python<'_>,
    kind: LoopKind,
    runtime: &Rc<LocalRuntime>,
    owner: &Arc<Owner>,
    driver: &Rc<RefCell<Option<Rc<LoopDriver>>>>,
    main: impl FnOnce(EventLoop) -> F + 'static,
    result: Rc<RefCell<Option<R>>>,
) -> PyResult<()>
where
    R: 'static,
    F: Future<Output = R> + 'static,
{
    let glue = load_glue(py)?;
    let callbacks = Type::<Callback>::new(py, owner)?;
    let waker = runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    if interpreter::is_main_thread() {
        signals::set_main_loop(Some(waker.clone()));
    }
    let wake = Type::<Wake>::new(py, owner)?.make(py, Wake(waker.clone()))?;
    let flags = Type::<Flag>::new(py, owner)?;
    let (running, debug) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let is_running = flags.make(py, Flag(Arc::clone(&running)))?;
    let get_debug = flags.make(py, Flag(Arc::clone(&debug)))?;

    let run_loop = {
        let (runtime, driver, owner) = (Rc::downgrade(runtime), Rc::clone(driver), Arc::clone(owner));
        callbacks.make(
            py,
            Callback::new(move |arguments| {
                let [event_loop] = arguments else { return Ok(()) };
                let py = event_loop.py();
                let Some(runtime) = runtime.upgrade() else { return Ok(()) };
                let known = driver.borrow().clone();
                let driver = match known {
                    Some(driver) => driver,
                    None => {
                        let _inside = runtime.enter();
                        let made = LoopDriver::new(event_loop, waker.clone(), &owner)?;
                        forked::disown_loop(event_loop)?;
                        park::set_driver(Rc::downgrade(&made));
                        driver.replace(Some(Rc::clone(&made)));
                        made
                    }
                };
                running.store(true, Ordering::Relaxed);
                let ended = runtime.block_on(tokio::task::unconstrained(poll_fn(|cx| driver.poll(py, cx))));
                running.store(false, Ordering::Relaxed);
                ended
            }),
        )?
    };

    let start = {
        let (driver, glue, owner) = (Rc::clone(driver), glue.clone().unbind(), Arc::clone(owner));
        let main = RefCell::new(Some(main));
        callbacks.make(
            py,
            Callback::new(move |arguments| {
                let driver = driver.borrow().clone();
                let ([finished], Some(driver)) = (arguments, &driver) else { return Ok(()) };
                let py = finished.py();
                let Some(main) = main.take() else { return Ok(()) };
                let asyncio = Asyncio::new(py, glue.bind(py), Rc::clone(driver), Arc::clone(&debug), &owner)?;
                let running = tokio::task::spawn_local(main(EventLoop { asyncio }));
                let (finished, result, driver) =
                    (finished.clone().unbind(), Rc::clone(&result), Rc::clone(driver));
                tokio::task::spawn_local(async move {
                    let outcome = running.await.ok();
                    result.replace(outcome);
                    // SAFETY: tasks run attached.
                    let py = unsafe { Python::assume_attached() };
                    if let Err(error) = finished.call_method1(py, "set_result", (py.None(),)) {
                        driver.raise(error);
                    }
                    driver.look();
                });
                Ok(())
            }),
        )?
    };
    let loop_class = match kind {
        LoopKind::Pounce if cfg!(target_os = "linux") => Some(loop_class(py)?),
        LoopKind::Pounce | LoopKind::Asyncio => None,
    };
    glue.call_method1("run", (loop_class, run_loop, wake, is_running, get_debug, start)).map(drop)
}

/// The Python half of the bridge, as a module.
fn load_glue(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    own_module(py, c"pounce_glue", GLUE)
}

const GLUE: &CStr = source(concat!(include_str!("glue.py"), "\0"));

fn describe(py: Python<'_>, error: &PyErr) -> String {
    load_glue(py)
        .and_then(|glue| glue.call_method1("format_exception", (whole(py, error),)))
        .and_then(|text| text.extract())
        .unwrap_or_else(|_| error.to_string())
}
