//! Signals that the server acts on: a native thread waits for them, even while Python blocks, and the handlers that
//! Python code has installed are called as well.
//!
//! A C handler notifies Python (`PyErr_SetInterruptEx`) as Python's C handler does, so that handlers,
//! `add_signal_handler` and wake-up descriptors work, and then writes the signal to a pipe, which [`Signals::wait`] reads.
//! `signal.signal()` replaces it with Python's C handler; `signals.py` wraps `_signal.signal`, through which every such
//! call goes, and puts this one back. Signals that mean nothing to the server get it as well while Python has a function
//! for them: one that came just before the loop began to wait would not end the wait.
//!
//! Alternatives: with `sigwait()`, subprocesses would inherit the blocked signals and could not be terminated; Python
//! raises no audit event for `signal.signal()`; only a program that links libpython, not an extension module, can
//! interpose `sigaction()`.

use std::ffi::CStr;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, IntoRawFd as _};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyModule};

use super::disowned;
use super::source;

/// The signals that the server acts on, or that must not end it.
const SIGNALS: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTTIN, Signal::SIGTTOU];

/// Set in a byte of the pipe if this process sent the signal itself.
const BY_ITSELF: u8 = 0x80;

/// The process that reports its signals; 0 before `install`. A forked child has another id.
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// The actions of the process before [`Signals::install`].
static BEFORE: Mutex<Option<[libc::sigaction; SIGNALS.len()]>> = Mutex::new(None);
/// The pipe's writing end.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// Signals, as bits, for which Python has a function to call. Python is not notified of others: to find out that there
/// is nothing to call it would compare numbers, which needs an attached thread.
static FOR_PYTHON: AtomicU64 = AtomicU64::new(0);
/// Signals, as bits, that have come since the handler of `signals.py` was last called for them.
static CAME: AtomicU64 = AtomicU64::new(0);
/// Signals, as bits, that another process has sent.
static SENT: AtomicU64 = AtomicU64::new(0);
/// Signals, as bits, whose handlers [`call_handlers_for`] has called, and that have not come since.
static ANTICIPATED: AtomicU64 = AtomicU64::new(0);
/// Wakes the loop of Python's main thread, where handlers run.
static MAIN_LOOP: Mutex<Option<Waker>> = Mutex::new(None);

/// The signals of this process.
#[derive(Debug)]
pub struct Signals {
    pipe: io::PipeReader,
}

/// A received signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// Its sender.
    pub sender: Sender,
}

/// The sender of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Another process, or the kernel.
    Other,
    /// This process: the application has sent it, or has called the handler from `signal.getsignal()`.
    Itself,
}

impl Signals {
    /// Catches SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTTIN and SIGTTOU from now on. Before an
    /// [`Interpreter`](super::Interpreter) is made, and by one server of the process at a time.
    ///
    /// # Errors
    /// No pipe can be created.
    pub fn install() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        disowned::disown(reader.as_fd());
        PIPE.store(writer.into_raw_fd(), Ordering::Relaxed);
        PROCESS.store(std::process::id().cast_signed(), Ordering::Release);
        // SAFETY: a plain C structure.
        let mut before = [unsafe { std::mem::zeroed::<libc::sigaction>() }; SIGNALS.len()];
        for (signal, action) in SIGNALS.into_iter().zip(&mut before) {
            // SAFETY: the structure is valid for the call.
            Errno::result(unsafe { libc::sigaction(signal as i32, std::ptr::null(), action) })?;
            put_handler(signal as i32, libc::SA_RESTART)?;
        }
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Ok(Self { pipe: reader })
    }

    /// Waits for the next of them.
    ///
    /// # Errors
    /// The pipe is closed, because the process's handlers were restored.
    pub fn wait(&mut self) -> io::Result<Received> {
        loop {
            let mut byte = [0];
            self.pipe.read_exact(&mut byte)?;
            // The signal may have come just before the loop began to wait: wake it, so that Python's handler is called.
            wake_main_loop();
            let sender = if byte[0] & BY_ITSELF == 0 { Sender::Other } else { Sender::Itself };
            let number = i32::from(byte[0] & !BY_ITSELF);
            if let Some(signal) = SIGNALS.into_iter().find(|signal| *signal as i32 == number) {
                return Ok(Received { signal, sender });
            }
        }
    }
}

/// Sets the waker of the loop on Python's main thread; `None` once that loop has ended.
pub(super) fn set_main_loop(waker: Option<Waker>) {
    *MAIN_LOOP.lock().unwrap_or_else(PoisonError::into_inner) = waker;
}

fn wake_main_loop() {
    if let Some(waker) = &*MAIN_LOOP.lock().unwrap_or_else(PoisonError::into_inner) {
        waker.wake_by_ref();
    }
}

/// The handlers that Python knows while the server acts on signals. To be dropped attached.
#[derive(Debug)]
pub(super) struct Handlers {
    uninstall: Py<PyAny>,
}

impl Handlers {
    /// Puts back the handlers that were installed before, and stops reporting signals.
    pub(super) fn restore(self, py: Python<'_>) {
        if let Err(error) = self.uninstall.call0(py) {
            tracing::error!(target: "pounce", "cannot restore the handlers of signals: {error}");
        }
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (signal, action) in SIGNALS.into_iter().zip(before.into_iter().flatten()) {
            // SAFETY: the action is one that the process had.
            unsafe { libc::sigaction(signal as i32, &raw const action, std::ptr::null_mut()) };
        }
        let pipe = PIPE.swap(-1, Ordering::Relaxed);
        // SAFETY: the descriptor is the pipe's writing end, which only this function closes. It ends `Signals::wait`.
        unsafe { libc::close(pipe) };
    }
}

/// The name of the module in `signals.py`.
const MODULE: &str = "pounce_signals";

/// Loads the Python half for processes that this one forks: compiling it would cost each of them memory of its own.
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    let module = load(py)?;
    py.import("sys")?.getattr("modules")?.set_item(MODULE, module)
}

fn load(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let module = PyModule::from_code(py, SOURCE, c"<pounce>", c"pounce_signals")?;
    py.import("sys")?.getattr("modules")?.call_method1("pop", (MODULE, py.None()))?;
    Ok(module.into_any())
}

/// Installs handlers with Python's `signal` if this process catches signals. With `keeps` the handlers that Python has are
/// the application's, and stay. On Python's main thread.
pub(super) fn register(py: Python<'_>, keeps: bool) -> PyResult<Option<Handlers>> {
    if PIPE.load(Ordering::Acquire) == -1 {
        return Ok(None);
    }
    let installed = PyCFunction::new_closure(py, Some(c"installed"), None, |arguments, _| {
        let (number, is_called): (i32, bool) = arguments.extract()?;
        if is_called {
            FOR_PYTHON.fetch_or(bit(number), Ordering::Relaxed);
        } else {
            FOR_PYTHON.fetch_and(!bit(number), Ordering::Relaxed);
        }
        Ok::<_, PyErr>(put_handler(number, 0)?)
    })?;
    let called = PyCFunction::new_closure(py, Some(c"called"), None, |arguments, _| {
        let (number,): (i32,) = arguments.extract()?;
        if CAME.fetch_and(!bit(number), Ordering::Relaxed) & bit(number) == 0 {
            // The application calls the handler it got from `signal.getsignal()`, without a signal.
            tell(number, BY_ITSELF);
        }
        Ok::<_, PyErr>(())
    })?;
    let module = match py.import("sys")?.getattr("modules")?.call_method1("pop", (MODULE, py.None()))? {
        prepared if !prepared.is_none() => prepared,
        _ => load(py)?,
    };
    let numbers = SIGNALS.map(|signal| signal as i32);
    let uninstall = module.call_method1("install", (numbers.to_vec(), installed, called, keeps))?.unbind();
    Ok(Some(Handlers { uninstall }))
}

const SOURCE: &CStr = source(concat!(include_str!("signals.py"), "\0"));

/// In a forked child: stops reporting its signals to the parent.
pub(super) fn leave_to_child() {
    PIPE.store(-1, Ordering::Relaxed);
}

/// Calls the application's handlers for a signal that only the server received, unless another process has sent it to
/// this process too. They run on Python's main thread, soon.
pub fn call_handlers_for(signal: Signal) {
    let bit = bit(signal as i32);
    if SENT.load(Ordering::Relaxed) & bit != 0 || FOR_PYTHON.load(Ordering::Relaxed) & bit == 0 {
        return;
    }
    ANTICIPATED.fetch_or(bit, Ordering::Relaxed);
    // SAFETY: the function may be called from any thread, attached or not.
    unsafe { ffi::PyErr_SetInterruptEx(signal as i32) };
    wake_main_loop();
}

/// Makes Python's main thread call the handlers of received signals. Attached. An exception that they raise does not
/// end the server.
pub(super) fn call_handlers(py: Python<'_>) {
    // SAFETY: attached, by the token.
    if unsafe { ffi::PyErr_CheckSignals() } == 0 {
        return;
    }
    let error = PyErr::fetch(py);
    if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
        tracing::info!(target: "pounce", "a signal handler of the application raised {error}; the server goes on");
    } else {
        let traceback = error.traceback(py).and_then(|traceback| traceback.format().ok()).unwrap_or_default();
        tracing::error!(target: "pounce", "a signal handler of the application raised an exception\n{traceback}{error}");
    }
}

/// Replaces the installed handler of a signal with [`on_signal`]. Whether system calls are restarted stays as
/// Python or the application has set it; `flags` are added.
fn put_handler(number: i32, flags: i32) -> io::Result<()> {
    // SAFETY: plain C structures, valid for the calls; the handler only calls async-signal-safe functions.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        Errno::result(libc::sigaction(number, std::ptr::null(), &raw mut action))?;
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = (action.sa_flags & libc::SA_RESTART) | libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
        // Block other signals: the alternate stack of a thread that Rust started has room for one handler, hardly two.
        libc::sigfillset(&raw mut action.sa_mask);
        Errno::result(libc::sigaction(number, &raw const action, std::ptr::null_mut()))?;
    }
    Ok(())
}

extern "C" fn on_signal(number: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: getpid, sigaction, raise and write are async-signal-safe, and so is PyErr_SetInterruptEx by its
    // documentation. The kernel gives a valid `info`, whose sender is set if the code says that a process sent the
    // signal.
    unsafe {
        let process = libc::getpid();
        if process != PROCESS.load(Ordering::Relaxed) {
            // A child forked by C code, or one in which Python's fork is not complete.
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(number, &raw const action, std::ptr::null_mut());
            libc::raise(number);
        } else {
            let by_itself = (*info).si_code <= 0 && (*info).si_pid() == process;
            let bit = bit(number);
            CAME.fetch_or(bit, Ordering::Relaxed);
            let mut were_called = false;
            if !by_itself {
                SENT.fetch_or(bit, Ordering::Relaxed);
                were_called = ANTICIPATED.fetch_and(!bit, Ordering::Relaxed) & bit != 0;
            }
            if !were_called && FOR_PYTHON.load(Ordering::Relaxed) & bit != 0 {
                ffi::PyErr_SetInterruptEx(number);
            }
            // Write after notifying Python: this handler may run on any thread, and the thread that reads the pipe
            // wakes the loop, which then calls Python's handlers.
            tell(number, if by_itself { BY_ITSELF } else { 0 });
        }
    }
    Errno::set_raw(errno);
}

/// Writes to the pipe. If it is full, the signal is dropped.
fn tell(number: i32, sender: u8) {
    let byte = number as u8 | sender;
    // SAFETY: writes one byte to a descriptor that stays open, or to -1.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
}

const fn bit(number: i32) -> u64 {
    1 << (number & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_the_process_sends_itself_is_known_as_such() {
        let mut signals = Signals::install().expect("a pipe");
        nix::sys::signal::raise(Signal::SIGUSR1).expect("sent");
        let heard = signals.wait().expect("heard");
        assert_eq!(heard, Received { signal: Signal::SIGUSR1, sender: Sender::Itself });
        let kill =
            std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
        assert!(kill.expect("there is kill(1)").success());
        let heard = signals.wait().expect("heard");
        assert_eq!(heard, Received { signal: Signal::SIGHUP, sender: Sender::Other });
    }
}
