//! Interpreters with their own GIL, in addition to the main one.

use std::sync::MutexGuard;
#[cfg(Py_3_12)]
use std::sync::atomic::Ordering;
#[cfg(Py_3_12)]
use std::sync::{Mutex, PoisonError};

#[cfg(Py_3_12)]
use pyo3::ffi;
#[cfg(Py_3_12)]
use pyo3::prelude::*;

use super::interpreter::{Interpreter, InterpreterError};
#[cfg(Py_3_12)]
use super::interpreter::{LEFT_BEHIND, message, run_exit_functions};

impl Interpreter {
    /// Makes an interpreter with its own GIL on this thread, which must not be attached to any other, and ends it when
    /// `body` returns. Until then this thread belongs to that interpreter.
    ///
    /// Interpreters are created and ended one at a time. `body` gets the lock for that and must hold it until the
    /// application is imported: CPython 3.13.0 frees memory twice otherwise.
    ///
    /// # Errors
    /// This Python has no such interpreters (before 3.12), or could not create one.
    #[cfg(Py_3_12)]
    pub fn with_subinterpreter<R>(
        &self,
        body: impl FnOnce(&Self, Exclusive) -> R,
    ) -> Result<R, InterpreterError> {
        let config = ffi::PyInterpreterConfig {
            use_main_obmalloc: 0,
            allow_fork: 0,
            allow_exec: 0,
            allow_threads: 1,
            // Libraries start daemon threads that end soon. One that does not keeps its interpreter from being ended.
            allow_daemon_threads: 1,
            check_multi_interp_extensions: 1,
            gil: ffi::PyInterpreterConfig_OWN_GIL,
        };
        // SAFETY: the main interpreter runs, by `self`, and this thread has no state of it: it gets one to create
        // the other interpreter with, and keeps it until that has ended. Each state is attached when it is left
        // and restored where it was saved. Python binds a thread to the state it attached last, so code inside `body`
        // that asks for "the state of this thread" gets the new one.
        unsafe {
            let alone = exclusive();
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
            Python::attach(hide_shared_modules);
            ffi::PyEval_SaveThread();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(self, alone)));
            ffi::PyEval_RestoreThread(inner);
            Python::attach(wait_for_threads);
            ffi::PyEval_SaveThread();
            // Detached: in free-threaded builds a thread that creates an interpreter waits for all attached threads.
            let alone = exclusive();
            ffi::PyEval_RestoreThread(inner);
            if CAN_END && is_last_thread(inner) {
                ffi::Py_EndInterpreter(inner);
                drop(alone);
            } else {
                drop(alone);
                if CAN_END {
                    tracing::warn!(target: "pounce", "a thread of the application goes on; its interpreter is left behind");
                }
                LEFT_BEHIND.store(true, Ordering::Release);
                Python::attach(run_exit_functions);
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
    pub fn with_subinterpreter<R>(
        &self,
        _body: impl FnOnce(&Self, Exclusive) -> R,
    ) -> Result<R, InterpreterError> {
        Err(InterpreterError::Start("interpreters with a GIL of their own need Python 3.12".to_owned()))
    }

    /// Whether [`with_subinterpreter`](Self::with_subinterpreter) can work.
    pub const HAS_SUBINTERPRETERS: bool = cfg!(Py_3_12);
}

/// Held by the thread that creates, fills or ends an interpreter; one per process at a time.
pub struct Exclusive(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

#[cfg(Py_3_12)]
fn exclusive() -> Exclusive {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    Exclusive(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Modules of the standard library whose import corrupts other interpreters, in 3.12 even if it is then refused. Each
/// has a fallback in Python, or servers do not need it.
#[cfg(all(Py_3_12, not(Py_3_13)))]
const SHARED: &[&str] = &[
    "_ctypes",
    "_curses",
    "_curses_panel",
    "_datetime",
    "_decimal",
    "_elementtree",
    "_lsprof",
    "_tkinter",
    "_zoneinfo",
    "nis",
    "ossaudiodev",
    "pyexpat",
    "readline",
];
#[cfg(all(Py_3_13, not(Py_3_14)))]
const SHARED: &[&str] = &["_datetime", "_zoneinfo"];
#[cfg(Py_3_14)]
const SHARED: &[&str] = &[];

/// Keeps the new interpreter from importing [`SHARED`] modules.
#[cfg(Py_3_12)]
fn hide_shared_modules(py: Python<'_>) {
    let hide = || -> PyResult<()> {
        let modules = py.import("sys")?.getattr("modules")?;
        SHARED.iter().try_for_each(|name| modules.set_item(name, py.None()))
    };
    if let Err(error) = hide() {
        tracing::error!(target: "pounce", "cannot hide modules from a subinterpreter: {error}");
    }
}

/// Whether an interpreter can be ended at all: in 3.12 that kills the process once `_ssl` was imported.
#[cfg(Py_3_12)]
const CAN_END: bool = cfg!(Py_3_13);

/// Waits for the non-daemon threads of the current interpreter, as ending it does.
#[cfg(Py_3_12)]
fn wait_for_threads(py: Python<'_>) {
    let wait = || -> PyResult<()> {
        let threading = py.import("threading")?;
        // Since 3.13 the object that represents this thread uses `threading` when it is dropped: drop it first.
        if let Ok(info) = threading.getattr("_thread_local_info") {
            info.getattr("__dict__")?.call_method1("pop", ("_track_dummy_thread_ref", py.None()))?;
        }
        threading.call_method0("_shutdown").map(drop)
    };
    if let Err(error) = wait() {
        tracing::warn!(target: "pounce", "waiting for threads of the application failed: {error}");
    }
}

/// Whether `state` is the only thread of its interpreter. CPython would abort the process if it were not.
///
/// # Safety
/// `state` is attached.
#[cfg(Py_3_12)]
unsafe fn is_last_thread(state: *mut ffi::PyThreadState) -> bool {
    // `threading` sees the end of a thread a moment before its state is gone.
    for _ in 0..100 {
        // SAFETY: attached, by contract; the list of states is only read, and the state restored where it was saved.
        unsafe {
            let head = ffi::PyInterpreterState_ThreadHead(ffi::PyThreadState_GetInterpreter(state));
            if head == state && ffi::PyThreadState_Next(head).is_null() {
                return true;
            }
            let detached = ffi::PyEval_SaveThread();
            std::thread::sleep(std::time::Duration::from_millis(10));
            ffi::PyEval_RestoreThread(detached);
        }
    }
    false
}
