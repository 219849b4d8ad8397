//! The Python stack of a thread, from faulthandler: it needs no GIL, so it works for a thread that never releases the
//! GIL.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;
use pyo3::prelude::*;

/// The signal that makes a thread write its stack. Ignored by default, and the kernel sends it only for out-of-band
/// data to processes that ask for it.
const SIGNAL: Signal = Signal::SIGURG;

/// How long to wait for a thread to write.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reads the stacks of threads.
pub struct Stacks {
    pipe: Mutex<(io::PipeReader, io::PipeWriter)>,
}

impl Stacks {
    /// Installs faulthandler's handler in the main interpreter. Once per process, attached.
    ///
    /// # Errors
    /// No pipe can be created, or faulthandler refuses.
    pub(super) fn install(py: Python<'_>) -> PyResult<Self> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(&reader)?;
        super::disowned::disown(reader.as_fd());
        let faulthandler = py.import("faulthandler")?;
        faulthandler.call_method1("register", (SIGNAL as i32, writer.as_raw_fd(), false))?;
        Ok(Self { pipe: Mutex::new((reader, writer)) })
    }

    /// The stack of a thread, innermost call first; `None` if it runs no Python code or does not answer.
    /// The thread must exist.
    pub fn of(&self, thread: Pthread) -> Option<String> {
        let mut pipe = self.pipe.lock().ok()?;
        pthread_kill(thread, SIGNAL).ok()?;
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(20);
        let mut quiet = 0;
        while waited < PATIENCE && quiet < 3 {
            match pipe.0.read(&mut buffer) {
                Ok(count) => {
                    text.extend_from_slice(&buffer[..count]);
                    quiet = 0;
                }
                Err(_) => {
                    quiet += usize::from(!text.is_empty());
                    std::thread::sleep(step);
                    waited += step;
                }
            }
        }
        let text = String::from_utf8_lossy(&text);
        let frames: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("File ")).collect();
        (!frames.is_empty()).then(|| frames.join("\n"))
    }
}

fn set_nonblocking(reader: &io::PipeReader) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop).map_err(io::Error::from)
}
