//! A thread that writes what others have formatted.

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// How long a process that ends gives to what waits.
pub(crate) const LAST_FLUSH: Duration = Duration::from_secs(1);

/// How much may wait. When whatever reads the log is slower than that, lines are dropped and counted:
/// the server must not stop because its log does.
const MAX_WAITING: usize = 8 << 20;

/// The write end. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Held while a batch is written, so that batches stay in order.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    failed: bool,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start() -> std::io::Result<Self> {
        let writer = Self::default();
        let background = writer.clone();
        thread::Builder::new().name("pounce-access-log".to_owned()).spawn(move || {
            loop {
                let mut waiting = background.shared.lock();
                while waiting.lines.is_empty() {
                    waiting = background.shared.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                drop(waiting);
                thread::sleep(GATHER);
                background.flush();
            }
        })?;
        Ok(writer)
    }

    /// Adds a line.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.shared.lock();
        if waiting.lines.len() > MAX_WAITING {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if first {
            self.shared.arrived.notify_one();
        }
    }

    /// Writes everything that waits, for so long at most: whoever reads the log may have stopped to.
    pub(crate) fn flush_within(&self, time: Duration) {
        let (done, flushed) = mpsc::channel();
        let writer = self.clone();
        let started = thread::Builder::new().spawn(move || {
            writer.flush();
            let _ = done.send(());
        });
        if started.is_ok() {
            let _ = flushed.recv_timeout(time);
        }
    }

    /// Writes everything that waits.
    pub(crate) fn flush(&self) {
        let _in_order = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, dropped) = {
            let mut waiting = self.shared.lock();
            (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped))
        };
        if lines.is_empty() {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&lines).and_then(|()| stdout.flush());
        let mut waiting = self.shared.lock();
        match written {
            Err(error) if !std::mem::replace(&mut waiting.failed, true) => {
                tracing::error!(target: "pounce", "cannot write the access log: {error}");
            }
            Err(_) => {}
            Ok(()) => waiting.failed = false,
        }
        if dropped > 0 {
            tracing::warn!(target: "pounce", "the access log is read too slowly: {dropped} lines were dropped");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
