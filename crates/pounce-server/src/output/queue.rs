//! A bounded queue of lines, and the thread that writes them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::file::LogFile;

/// How long lines of standard output are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// How long the writer waits if another process has made the descriptor nonblocking and it is full.
const RETRY: Duration = Duration::from_millis(20);

/// The most bytes that may be queued. Further lines are dropped and counted.
const MAX_WAITING: usize = 8 << 20;

/// The stream of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Stderr,
    Stdout,
}

/// The queued lines of one stream.
pub(crate) struct Queue {
    target: Target,
    /// The file that it writes to in place of the stream. Held by the writing thread while it writes.
    file: Mutex<Option<LogFile>>,
    state: Mutex<QueueState>,
    arrived: Condvar,
    settled: Condvar,
}

struct QueueState {
    lines: Vec<u8>,
    /// Lines that found the queue full.
    dropped: u64,
    writer: Writer,
    /// Whether the writer is to write at once.
    urgent: bool,
}

/// The state of the writing thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    NotStarted,
    Waiting,
    Writing,
}

/// Lines lost since the last successful write.
#[derive(Default)]
struct Lost {
    lines: u64,
    /// Whether the last write failed.
    failing: bool,
}

impl Queue {
    pub(super) const fn new(target: Target) -> Self {
        let state = QueueState { lines: Vec::new(), dropped: 0, writer: Writer::NotStarted, urgent: false };
        Self {
            target,
            file: Mutex::new(None),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            settled: Condvar::new(),
        }
    }

    /// Writes to a file from now on.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(crate) fn use_file(&self, path: &Path) -> io::Result<()> {
        *self.lock_file() = Some(LogFile::open(path)?);
        Ok(())
    }

    /// Adds a text of whole lines. Never waits for the stream.
    pub(crate) fn push(&'static self, text: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + text.len() > MAX_WAITING {
            state.dropped += count(text);
            return;
        }
        let first = state.lines.is_empty();
        state.lines.extend_from_slice(text);
        if state.writer == Writer::NotStarted {
            state.writer = Writer::Waiting;
            drop(state);
            let builder = thread::Builder::new().name(format!("pounce-{}", self.target.name()));
            if builder.spawn(move || self.write_for_ever()).is_err() {
                // The system cannot start a thread: the next line tries again.
                self.lock().writer = Writer::NotStarted;
            }
            return;
        }
        drop(state);
        if first {
            self.arrived.notify_one();
        }
    }

    /// Waits until all lines added so far are written or lost, until `deadline` at most.
    pub(super) fn flush_until(&self, deadline: Instant) {
        let mut state = self.lock();
        while state.writer == Writer::Writing || !state.lines.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.writer == Writer::NotStarted {
                return;
            }
            state.urgent = true;
            self.arrived.notify_one();
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_for_ever(&self) {
        let mut lost = Lost::default();
        loop {
            let (lines, dropped) = self.next();
            self.write(&mut lost, &lines, dropped);
            if lost.lines > 0 && !lost.failing {
                // Lines that found the queue full belong after those just written.
                self.write(&mut lost, &[], 0);
            }
        }
    }

    /// Waits for lines and takes all of them.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        state.writer = Writer::Waiting;
        if state.lines.is_empty() {
            state.urgent = false;
            self.settled.notify_all();
        }
        while state.lines.is_empty() {
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if self.target == Target::Stdout && !state.urgent {
            let gathered = self.arrived.wait_timeout_while(state, GATHER, |state| !state.urgent);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.writer = Writer::Writing;
        (std::mem::take(&mut state.lines), std::mem::take(&mut state.dropped))
    }

    /// Writes a notice about lines lost before, then `lines`.
    fn write(&self, lost: &mut Lost, lines: &[u8], dropped: u64) {
        // If the log is on the same stream, its notice goes first, to stand in the place of the missing lines.
        let notice = match self.target {
            Target::Stderr if lost.lines > 0 => notice(lost.lines, "log"),
            _ => Vec::new(),
        };
        let text = if notice.is_empty() { Cow::Borrowed(lines) } else { [&notice, lines].concat().into() };
        match self.write_all(&text) {
            Ok(()) => {
                let before = std::mem::replace(lost, Lost { lines: dropped, failing: false }).lines;
                if self.target == Target::Stdout && before > 0 {
                    super::STDERR.push(&self::notice(before, "access log"));
                }
            }
            Err((written, error)) => {
                let unwritten = count(&text[written.max(notice.len()).min(text.len())..]);
                let before = if written < notice.len() || notice.is_empty() { lost.lines } else { 0 };
                let known =
                    std::mem::replace(lost, Lost { lines: before + unwritten + dropped, failing: true });
                if self.target == Target::Stdout && !known.failing {
                    tracing::error!(target: "pounce", "cannot write the access log: {error}");
                }
            }
        }
    }

    /// Writes all of `text`, however long that takes, or returns how much was written before an error.
    fn write_all(&self, text: &[u8]) -> Result<(), (usize, io::Error)> {
        match &mut *self.lock_file() {
            Some(file) => write_all(file.current(), text),
            None => write_all(&mut self.target.open().map_err(|error| (0, error))?, text),
        }
    }

    fn lock_file(&self) -> MutexGuard<'_, Option<LogFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Stderr => "stderr",
            Self::Stdout => "stdout",
        }
    }

    /// The stream without std's buffer and lock, which keep the rest of a failed write. Opened for each batch: the
    /// application may have replaced the descriptor's file.
    fn open(self) -> io::Result<File> {
        let descriptor = match self {
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned()?,
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned()?,
        };
        Ok(descriptor.into())
    }
}

/// A notice in the log's format, whatever the log's level.
fn notice(lines: u64, log: &str) -> Vec<u8> {
    let these = if lines == 1 { "line" } else { "lines" };
    let text = format!("{lines} {these} of the {log} could not be written");
    super::warning(&text)
}

fn write_all(stream: &mut File, text: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < text.len() {
        match stream.write(&text[written..]) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn count(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}
