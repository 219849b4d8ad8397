//! Starting CPython inside this process, in the right virtualenv, and ending it properly.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use pyo3::ffi;
use pyo3::prelude::*;

/// The interpreter this program was built for.
const BUILT_FOR: &str = env!("POUNCE_PYTHON_EXECUTABLE");

/// Which environment the interpreter shall see.
#[derive(Debug, Clone, Default)]
pub struct InterpreterOptions {
    /// A virtualenv's folder, or the `python` in it: what `--python` names.
    pub python: Option<PathBuf>,
    /// The virtualenv that is active: what `VIRTUAL_ENV` names.
    pub virtual_env: Option<PathBuf>,
    /// Where a `.venv` is looked for, in order, when nothing else is named.
    pub projects: Vec<PathBuf>,
}

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// What was named is not there.
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
    /// CPython refused to start.
    #[error("Python did not start: {0}")]
    Start(String),
    /// A path that C cannot take.
    #[error("the path {0:?} has a NUL in it")]
    Path(PathBuf),
}

impl InterpreterError {
    /// What may help.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherVersion { .. } => format!(
                "This program was built for Python {}. Make the virtualenv with that version, or build the \
                 program for the virtualenv's: PYO3_PYTHON=/path/to/venv/bin/python cargo build",
                version_name()
            ),
            Self::NotFound(_) => "Name a virtualenv's folder, or the python in it.".to_owned(),
            _ => String::new(),
        }
    }
}

/// The one CPython of this process.
#[derive(Debug)]
pub struct Interpreter(());

impl Interpreter {
    /// Starts CPython on this thread, which becomes Python's main thread. Once per process.
    ///
    /// Python installs no signal handlers: signals are the server's.
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
        // SAFETY: the config is initialised before it is used and cleared after; the string outlives the
        // calls, which copy it; nothing has initialised Python before, by this function's contract. The
        // thread state that initialisation leaves attached is detached for `Python::attach` to find.
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
        Ok(Self(()))
    }

    /// Makes an interpreter with a GIL of its own on this thread, a foreign one, and ends it when `body` returns.
    /// Meanwhile this thread is that interpreter's.
    ///
    /// # Errors
    /// This Python has none (before 3.12), or could not make one.
    #[cfg(Py_3_12)]
    pub fn with_subinterpreter<R>(&self, body: impl FnOnce(&Self) -> R) -> Result<R, InterpreterError> {
        let config = ffi::PyInterpreterConfig {
            use_main_obmalloc: 0,
            allow_fork: 0,
            allow_exec: 0,
            allow_threads: 1,
            allow_daemon_threads: 0,
            check_multi_interp_extensions: 1,
            gil: ffi::PyInterpreterConfig_OWN_GIL,
        };
        // SAFETY: the main interpreter runs, by `self`, and this thread has no state of it: it gets one to make
        // the other interpreter with, and keeps it until that has ended. Each state is attached when it is left
        // and restored where it was saved. Python binds a thread to the state it attached last, so what asks for
        // "the state of this thread" inside `body` gets the new one.
        unsafe {
            let outer = ffi::PyThreadState_New(ffi::PyInterpreterState_Main());
            ffi::PyEval_RestoreThread(outer);
            let mut inner = std::ptr::null_mut();
            let status = ffi::Py_NewInterpreterFromConfig(&mut inner, &config);
            if ffi::PyStatus_Exception(status) != 0 {
                let error = InterpreterError::Start(message(&status));
                ffi::PyThreadState_Clear(outer);
                ffi::PyThreadState_DeleteCurrent();
                return Err(error);
            }
            ffi::PyEval_SaveThread();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(self)));
            ffi::PyEval_RestoreThread(inner);
            if is_last_thread(inner) {
                ffi::Py_EndInterpreter(inner);
            } else {
                tracing::warn!(target: "pounce", "a thread of the application goes on; its interpreter is left behind");
                ffi::PyEval_SaveThread();
            }
            ffi::PyEval_RestoreThread(outer);
            ffi::PyThreadState_Clear(outer);
            ffi::PyThreadState_DeleteCurrent();
            match result {
                Ok(result) => Ok(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }

    /// Before 3.12 there are no such interpreters.
    ///
    /// # Errors
    /// Always [`InterpreterError::Start`].
    #[cfg(not(Py_3_12))]
    pub fn with_subinterpreter<R>(&self, _body: impl FnOnce(&Self) -> R) -> Result<R, InterpreterError> {
        Err(InterpreterError::Start("interpreters with a GIL of their own need Python 3.12".to_owned()))
    }

    /// Whether [`with_subinterpreter`](Self::with_subinterpreter) can work.
    pub const HAS_SUBINTERPRETERS: bool = cfg!(Py_3_12);

    /// Whether this Python was built to run threads at the same time.
    pub const IS_FREE_THREADED: bool = cfg!(Py_GIL_DISABLED);

    /// Ends CPython: waits for threads that are no daemons, runs `atexit`, flushes what is buffered.
    /// No Python object may be left in Rust's hands.
    pub fn finalize(self) {
        // SAFETY: the interpreter runs, this is the thread that started it, and nothing is attached here.
        unsafe {
            ffi::PyGILState_Ensure();
            ffi::Py_FinalizeEx();
        }
    }

    /// Whether [`start`](Self::start) would find the environment that it is to use. Starts nothing.
    ///
    /// # Errors
    /// See [`InterpreterError`].
    pub fn check(options: &InterpreterOptions) -> Result<(), InterpreterError> {
        find_virtualenv(options).map(drop)
    }

    /// The version, as a banner tells it: `Python 3.13.0`. No interpreter has to run.
    pub fn describe() -> String {
        // SAFETY: a constant text of the library's, which may be asked for at any time.
        let version = unsafe { std::ffi::CStr::from_ptr(ffi::Py_GetVersion()) }.to_string_lossy();
        let number = version.split_whitespace().next().unwrap_or_default();
        let threaded = if cfg!(Py_GIL_DISABLED) { " free-threaded" } else { "" };
        format!("Python {number}{threaded}")
    }
}

/// What a failed status says.
///
/// # Safety
/// The status is one that CPython gave.
unsafe fn message(status: &ffi::PyStatus) -> String {
    if status.err_msg.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: a message is a constant text of CPython's.
    unsafe { std::ffi::CStr::from_ptr(status.err_msg) }.to_string_lossy().into_owned()
}

/// Waits for the threads of an interpreter that are no daemons, as ending it does, and says whether all are gone.
/// CPython would abort the process if one is left.
///
/// # Safety
/// `state` is attached.
#[cfg(Py_3_12)]
unsafe fn is_last_thread(state: *mut ffi::PyThreadState) -> bool {
    // SAFETY: attached, by contract; the list of states is only looked at.
    unsafe {
        let py = Python::assume_attached();
        let waited = py.import("threading").and_then(|threading| {
            // Since 3.13 what stands for this thread looks for `threading` when it goes: it must go before that.
            if let Ok(info) = threading.getattr("_thread_local_info") {
                info.getattr("__dict__")?.call_method1("pop", ("_track_dummy_thread_ref", py.None()))?;
            }
            threading.call_method0("_shutdown")
        });
        if let Err(error) = waited {
            tracing::warn!(target: "pounce", "waiting for threads of the application failed: {error}");
        }
        // The end of a thread is seen by `threading` a moment before its state is gone.
        for _ in 0..100 {
            let head = ffi::PyInterpreterState_ThreadHead(ffi::PyThreadState_GetInterpreter(state));
            if head == state && ffi::PyThreadState_Next(head).is_null() {
                return true;
            }
            let detached = ffi::PyEval_SaveThread();
            std::thread::sleep(std::time::Duration::from_millis(10));
            ffi::PyEval_RestoreThread(detached);
        }
        false
    }
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

/// The virtualenv to use, checked to be one of this program's version.
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

/// A virtualenv of another version starts silently, and then nothing in it can be imported.
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
