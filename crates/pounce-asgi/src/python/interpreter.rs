//! Starting CPython inside this process, in the right virtualenv, and ending it properly.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use nix::libc;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use super::signals::{self, Handlers};
use super::{forked, memory};

/// The interpreter this program was built for.
const BUILT_FOR: &str = env!("POUNCE_PYTHON_EXECUTABLE");

/// The thread that started Python; signal handlers run on it.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Whether Python was started in this process; it cannot be started again.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Whether a subinterpreter could not be ended.
pub(super) static LEFT_BEHIND: AtomicBool = AtomicBool::new(false);

/// Whether this is Python's main thread.
pub(super) fn is_main_thread() -> bool {
    MAIN_THREAD.get() == Some(&thread::current().id())
}

/// The environment that the interpreter uses.
#[derive(Debug, Clone, Default)]
pub struct InterpreterOptions {
    /// A virtualenv's folder, or the `python` in it, from `--python`.
    pub python: Option<PathBuf>,
    /// The active virtualenv, from `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// Folders to search for a `.venv`, in order, if nothing else is named.
    pub projects: Vec<PathBuf>,
}

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The path given for Python does not exist.
    #[error("there is no Python at {0}")]
    NotFound(PathBuf),
    /// A virtualenv that another version of Python made: none of its packages could be imported.
    #[error("the virtualenv {path} was made by another Python: it has no {expected}")]
    OtherVersion {
        /// The virtualenv.
        path: PathBuf,
        /// The folder that this version would need there.
        expected: String,
    },
    /// Another Python than the one that the server runs in.
    #[error("the server runs in {own}, and cannot use the Python at {asked}")]
    Elsewhere {
        /// The interpreter that runs the server.
        own: PathBuf,
        /// The one that was named.
        asked: PathBuf,
    },
    /// CPython refused to start.
    #[error("Python did not start: {0}")]
    Start(String),
    /// A path with a NUL byte.
    #[error("the path {0:?} has a NUL in it")]
    Path(PathBuf),
}

impl InterpreterError {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherVersion { .. } => format!(
                "This program was built for Python {}. Make the virtualenv with that version, or build the \
                 program for the virtualenv's: PYO3_PYTHON=/path/to/venv/bin/python cargo build",
                version_name()
            ),
            Self::Elsewhere { .. } => {
                "Install pounce-server there, and run that Python's own pounce; or leave --python out."
                    .to_owned()
            }
            Self::NotFound(_) => "Name a virtualenv's folder, or the python in it.".to_owned(),
            _ => String::new(),
        }
    }
}

/// The one CPython of this process.
#[derive(Debug)]
pub struct Interpreter {
    ends: Ends,
    /// Replaces the handlers of signals that Python had, where this was made on Python's main thread.
    handlers: Option<Handlers>,
}

/// What [`Interpreter::finalize`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// CPython.
    Python,
    /// Nothing: Python ends itself with the process, which is the server's.
    Nothing,
    /// The server's part in a process that goes on.
    Itself,
}

impl Interpreter {
    /// Starts CPython on this thread, which becomes Python's main thread. Once per process.
    ///
    /// Python does not install its signal handlers: if the process catches [`Signals`](super::Signals), Python code
    /// sees the server's.
    ///
    /// # Errors
    /// See [`InterpreterError`].
    pub fn start(options: &InterpreterOptions) -> Result<Self, InterpreterError> {
        let executable = match find_virtualenv(options)? {
            Some(virtualenv) => virtualenv.join("bin/python"),
            None => PathBuf::from(BUILT_FOR),
        };
        let path = CString::new(executable.as_os_str().as_bytes())
            .map_err(|_| InterpreterError::Path(executable.clone()))?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(InterpreterError::Start("it was started in this process before".to_owned()));
        }
        memory::use_the_heap();
        // SAFETY: the config is initialised before it is used and cleared after; the string outlives the calls, which
        // copy it; nothing has initialised Python before, as was just found. The thread state that initialisation
        // leaves attached is detached for `Python::attach` to find.
        unsafe {
            let mut config = std::mem::zeroed::<ffi::PyConfig>();
            ffi::PyConfig_InitPythonConfig(&mut config);
            config.parse_argv = 0;
            config.install_signal_handlers = 0;
            let steps = || {
                let config: *mut ffi::PyConfig = &raw mut config;
                for field in [&raw mut (*config).program_name, &raw mut (*config).executable] {
                    let status = ffi::PyConfig_SetBytesString(config, field, path.as_ptr());
                    if ffi::PyStatus_Exception(status) != 0 {
                        return status;
                    }
                }
                ffi::Py_InitializeFromConfig(config)
            };
            let status = { steps }();
            ffi::PyConfig_Clear(&mut config);
            if ffi::PyStatus_Exception(status) != 0 {
                return Err(InterpreterError::Start(message(&status)));
            }
            ffi::PyEval_SaveThread();
        }
        Self::join(Ends::Python)
    }

    /// Forks this process, which has a single thread and runs no loop, to become a worker. Returns 0 in the child.
    ///
    /// # Errors
    /// Python's error.
    pub fn fork_worker(&self) -> Result<i32, String> {
        Python::attach(|py| forked::fork_worker(py).map_err(|error| error.to_string()))
    }

    /// Lets Python see the signals that the process has begun to catch since this was made. Handlers that the application has
    /// installed meanwhile stay.
    ///
    /// # Errors
    /// See [`InterpreterError`].
    pub fn see_signals(&mut self) -> Result<(), InterpreterError> {
        let handlers = Python::attach(|py| signals::register(py, true));
        self.handlers = handlers.map_err(|error| InterpreterError::Start(error.to_string()))?;
        Ok(())
    }

    /// The interpreter that runs in this process already, because the process is a Python program. With `owns_process`
    /// the program is the server, and ends with it; otherwise [`finalize`](Self::finalize) leaves everything as it was.
    ///
    /// # Errors
    /// The bridge cannot register itself.
    pub fn of_process(owns_process: bool) -> Result<Self, InterpreterError> {
        // SAFETY: it may be called at any time.
        if unsafe { ffi::Py_IsInitialized() } == 0 {
            return Err(InterpreterError::Start("it does not run in this process".to_owned()));
        }
        STARTED.store(true, Ordering::Release);
        Self::join(if owns_process { Ends::Nothing } else { Ends::Itself })
    }

    /// Registers the bridge with a Python that runs.
    fn join(ends: Ends) -> Result<Self, InterpreterError> {
        let handlers = Python::attach(|py| {
            let threading = py.import("threading")?;
            let main: u64 = threading.call_method0("main_thread")?.getattr("ident")?.extract()?;
            let own: u64 = threading.call_method0("get_ident")?.extract()?;
            forked::register(py)?;
            if main != own {
                return Ok(None);
            }
            MAIN_THREAD.get_or_init(|| thread::current().id());
            signals::register(py, false)
        });
        let handlers = handlers.map_err(|error: PyErr| InterpreterError::Start(error.to_string()))?;
        Ok(Self { ends, handlers })
    }

    /// Whether this Python was built to run threads at the same time.
    pub const IS_FREE_THREADED: bool = cfg!(Py_GIL_DISABLED);

    /// Whether the interpreter that [`start`](Self::start) starts will have a GIL: a free-threaded one does if
    /// `PYTHON_GIL` is 1. Imports can change that later; see [`EventLoop::has_gil`](super::EventLoop::has_gil).
    /// Needs no running interpreter.
    pub fn starts_with_gil() -> bool {
        // CPython's rule. The other way, `-X gil`, exists only on CPython's command line.
        !Self::IS_FREE_THREADED || std::env::var_os("PYTHON_GIL").is_some_and(|value| value == "1")
    }

    /// Ends CPython, if [`start`](Self::start) has started it: waits for non-daemon threads, runs `atexit`, flushes
    /// buffers. Rust must not hold any Python object any more. In the process of a Python program it undoes what
    /// [`of_process`](Self::of_process) has done.
    pub fn finalize(mut self) {
        let handlers = self.handlers.take();
        Python::attach(|py| match handlers {
            Some(handlers) if self.ends == Ends::Itself => {
                handlers.restore(py);
                end_at_exit(py);
            }
            handlers => drop(handlers),
        });
        if self.ends != Ends::Python {
            return;
        }
        if LEFT_BEHIND.load(Ordering::Acquire) {
            // CPython cannot end while another interpreter lives.
            Python::attach(run_exit_functions);
            return;
        }
        // SAFETY: the interpreter runs, this is the thread that started it, and nothing is attached here.
        unsafe {
            ffi::PyGILState_Ensure();
            ffi::Py_FinalizeEx();
        }
    }

    /// Ends the process of a Python program with this exit code, if Python could not end: it would abort. Runs and flushes
    /// before what Python would.
    pub fn end_process_if_it_must(py: Python<'_>, code: u8) {
        if LEFT_BEHIND.load(Ordering::Acquire) {
            end_process(py, code.into());
        }
    }

    /// The virtualenv that [`start`](Self::start) would use, if any. Starts nothing.
    ///
    /// # Errors
    /// What would keep it from starting.
    pub fn environment(options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError> {
        find_virtualenv(options)
    }

    /// The version for the banner: `Python 3.13.0`. Needs no running interpreter.
    pub fn describe() -> String {
        let threaded = if cfg!(Py_GIL_DISABLED) { " free-threaded" } else { "" };
        format!("Python {}{threaded}", Self::version())
    }

    /// The file that the interpreter's code is loaded from: a shared library, or the program that contains it. None if the
    /// system does not tell.
    pub fn library() -> Option<PathBuf> {
        // SAFETY: the all-zero value is valid; the call fills it for the address of a function, whose file stays loaded.
        unsafe {
            let mut found: libc::Dl_info = std::mem::zeroed();
            let address = ffi::Py_GetVersion as *const std::ffi::c_void;
            if libc::dladdr(address, &raw mut found) == 0 || found.dli_fname.is_null() {
                return None;
            }
            let name = std::ffi::CStr::from_ptr(found.dli_fname);
            Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())).canonicalize().ok()
        }
    }

    /// The version of Python: `3.13.0`.
    pub fn version() -> String {
        // SAFETY: the function returns a constant text and may be called at any time.
        let version = unsafe { std::ffi::CStr::from_ptr(ffi::Py_GetVersion()) }.to_string_lossy();
        version.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Interpreter {
    /// Leaves a server's failed start without ending Python.
    fn drop(&mut self) {
        if let Some(handlers) = self.handlers.take() {
            Python::attach(|_| drop(handlers));
        }
    }
}

/// Has a program end without Python's own end, if another interpreter is left behind: Python would abort. The exit code is 1
/// after an exception that nobody has caught, else 0; what `sys.exit()` was given is not known any more.
fn end_at_exit(py: Python<'_>) {
    if !LEFT_BEHIND.load(Ordering::Acquire) {
        return;
    }
    let process = std::process::id();
    // It is among the functions that it has called, and those of a forked child.
    let is_ending = AtomicBool::new(false);
    let end = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        if std::process::id() == process && !is_ending.swap(true, Ordering::Relaxed) {
            let py = arguments.py();
            let has_failed = py.import("sys")?.hasattr("last_exc")?;
            end_process(py, has_failed.into());
        }
        PyResult::Ok(())
    });
    let registered = end.and_then(|end| py.import("atexit")?.call_method1("register", (end,)));
    if let Err(error) = registered {
        tracing::warn!(target: "pounce", "Python will abort when it ends: {error}");
    }
}

/// Ends the process without Python's own end, but after what that would run.
fn end_process(py: Python<'_>, code: i32) -> ! {
    run_exit_functions(py);
    // SAFETY: nothing is left to be done.
    unsafe { libc::_exit(code) }
}

/// Runs what ending the current interpreter would run for the application. For an interpreter that cannot be ended.
pub(super) fn run_exit_functions(py: Python<'_>) {
    let code = c"import atexit, sys; atexit._run_exitfuncs(); sys.stdout.flush()";
    if let Err(error) = py.run(code, None, None) {
        tracing::warn!(target: "pounce", "ending Python failed: {error}");
    }
}

/// The message of a failed status.
///
/// # Safety
/// CPython returned the status.
pub(super) unsafe fn message(status: &ffi::PyStatus) -> String {
    if status.err_msg.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: the message is a constant text in CPython.
    unsafe { std::ffi::CStr::from_ptr(status.err_msg) }.to_string_lossy().into_owned()
}

/// `3.13`, or `3.13t`.
fn version_name() -> String {
    format!("{}.{}{}", PYTHON_MAJOR, python_minor(), if cfg!(Py_GIL_DISABLED) { "t" } else { "" })
}

const PYTHON_MAJOR: u8 = 3;

fn python_minor() -> u32 {
    // SAFETY: the hexadecimal version is a constant of the library.
    unsafe { (ffi::Py_Version >> 16 & 0xff) as u32 }
}

/// The virtualenv to use, checked to have this program's Python version.
fn find_virtualenv(options: &InterpreterOptions) -> Result<Option<PathBuf>, InterpreterError> {
    if let Some(named) = &options.python {
        let folder = if named.is_dir() {
            named.clone()
        } else if named.is_file() {
            named.parent().and_then(Path::parent).map_or_else(|| named.clone(), Path::to_path_buf)
        } else {
            return Err(InterpreterError::NotFound(named.clone()));
        };
        return checked(folder).map(Some);
    }
    if let Some(active) = &options.virtual_env {
        return checked(active.clone()).map(Some);
    }
    let mut beside = options.projects.iter().map(|project| project.join(".venv"));
    beside.find(|folder| folder.join("pyvenv.cfg").is_file()).map(checked).transpose()
}

/// Refuses a virtualenv of another version: it would start silently, and then none of its packages could be imported.
fn checked(folder: PathBuf) -> Result<PathBuf, InterpreterError> {
    if !folder.join("bin/python").exists() {
        return Err(InterpreterError::NotFound(folder));
    }
    let expected = format!("lib/python{}/site-packages", version_name());
    if !folder.join(&expected).is_dir() {
        return Err(InterpreterError::OtherVersion { path: folder, expected });
    }
    std::path::absolute(&folder).map_err(|_| InterpreterError::NotFound(folder))
}
