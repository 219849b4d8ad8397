//! Lines for Python's `logging`: queued by any thread, handed over by one.
//!
//! No thread that logs a line waits for Python or for a handler. Lines that come before Python runs wait for it; those that
//! come after its end, or that it never gets, are printed natively.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pounce_asgi::python::{LogEvent, LogLine, LogRequest, Loggers};

use super::{STDERR, STDOUT, plain_line};

/// How long lines are gathered before they are handed over.
const GATHER: Duration = Duration::from_millis(20);

/// How long the end of a server waits for the handlers.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The most bytes of lines that may be queued, about. Further lines are dropped and counted.
const MAX_WAITING: usize = 8 << 20;

/// What a line weighs beside its text.
const LINE: usize = 256;

/// Python's number of the level WARNING.
const WARNING: u8 = 30;

/// The lines of this process.
pub(crate) static LINES: Lines = Lines {
    state: Mutex::new(LinesState {
        taker: Taker::Nobody,
        lines: Vec::new(),
        bytes: 0,
        dropped: 0,
        urgent: false,
    }),
    changed: Condvar::new(),
};

/// Queued lines, and who takes them.
pub(crate) struct Lines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

struct LinesState {
    taker: Taker,
    lines: Vec<LogLine>,
    bytes: usize,
    dropped: u64,
    /// Whether somebody waits for the lines to be handed over.
    urgent: bool,
}

/// Who takes the lines.
enum Taker {
    /// They are printed natively.
    Nobody,
    /// They wait for Python to run.
    Awaited,
    /// A thread, for so many servers of this process.
    Thread { loggers: Arc<Loggers>, servers: usize, busy: bool },
    /// The thread, which ends after the lines that are queued. It has dropped the loggers before it is gone.
    Ending { loggers: Option<Arc<Loggers>> },
}

impl Lines {
    /// Makes lines wait for Python, if they are not handed over already.
    pub(crate) fn expect(&self) {
        let mut state = self.lock();
        if matches!(state.taker, Taker::Nobody) {
            state.taker = Taker::Awaited;
        }
    }

    /// Whether Python gets lines now.
    pub(crate) fn are_taken(&self) -> bool {
        matches!(self.lock().taker, Taker::Thread { .. })
    }

    /// Adds a line.
    pub(crate) fn push(&self, line: LogLine) {
        let mut state = self.lock();
        if matches!(state.taker, Taker::Nobody) {
            drop(state);
            print(&line);
            return;
        }
        // Access lines may wait for others; events are rare, and somebody may wait for them.
        let wakes = state.lines.is_empty() || matches!(line, LogLine::Event(_));
        state.urgent |= matches!(line, LogLine::Event(_));
        if state.has_room(&line) {
            state.lines.push(line);
            drop(state);
            if wakes {
                self.changed.notify_all();
            }
        }
    }

    /// Waits until `deadline` at most for the lines to be handed over. Prints those that nobody takes.
    pub(crate) fn flush_until(&self, deadline: Instant) {
        let mut state = self.lock();
        loop {
            let settled = match &state.taker {
                Taker::Nobody | Taker::Awaited => {
                    let lines = state.take();
                    drop(state);
                    lines.iter().for_each(print);
                    return;
                }
                Taker::Thread { busy, .. } => !busy && state.lines.is_empty(),
                Taker::Ending { .. } => false,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if settled {
                return;
            }
            if left.is_zero() {
                // Python does not take them in time: it may be blocked, or a handler hangs.
                let lines = state.take();
                drop(state);
                lines.iter().for_each(print);
                return;
            }
            state.urgent = true;
            self.changed.notify_all();
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands lines over to loggers from now on, until [`end`](Self::end) is called once for each call of this.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(crate) fn hand_over_to(&'static self, loggers: Arc<Loggers>) -> io::Result<()> {
        let mut state = self.lock();
        let (servers, busy, before) = match std::mem::replace(&mut state.taker, Taker::Nobody) {
            Taker::Thread { loggers, servers, busy } => (servers, busy, Some(loggers)),
            // Its handler has not ended yet; it goes on with the new loggers.
            Taker::Ending { loggers } => (0, true, loggers),
            Taker::Nobody | Taker::Awaited => (0, false, None),
        };
        let is_there = servers > 0 || busy;
        state.taker = Taker::Thread { loggers, servers: servers + 1, busy };
        drop(state);
        // Not under the lock: it needs the GIL.
        drop(before);
        if is_there {
            return Ok(());
        }
        let started = thread::Builder::new().name("pounce-log".to_owned()).spawn(|| {
            while let Some((loggers, lines)) = self.next() {
                loggers.log(&lines);
                drop(loggers);
                self.is_idle();
            }
        });
        if let Err(error) = started {
            let mut state = self.lock();
            let taker = std::mem::replace(&mut state.taker, Taker::Nobody);
            drop(state);
            drop(taker);
            return Err(error);
        }
        Ok(())
    }

    /// Waits for lines and takes all of them. `None` at the end.
    fn next(&self) -> Option<(Arc<Loggers>, Vec<LogLine>)> {
        let mut state = self.lock();
        loop {
            while matches!(state.taker, Taker::Thread { .. }) && state.lines.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let goes_on =
                |state: &mut LinesState| !state.urgent && matches!(state.taker, Taker::Thread { .. });
            let gathered = self.changed.wait_timeout_while(state, GATHER, goes_on);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
            let lines = state.take();
            match &mut state.taker {
                Taker::Thread { loggers, busy, .. } => {
                    *busy = true;
                    return Some((Arc::clone(loggers), lines));
                }
                Taker::Ending { loggers: Some(loggers) } if !lines.is_empty() => {
                    return Some((Arc::clone(loggers), lines));
                }
                Taker::Ending { loggers } => {
                    let last = loggers.take();
                    drop(state);
                    lines.iter().for_each(print);
                    // Not under the lock: it needs the GIL.
                    drop(last);
                    state = self.lock();
                    if matches!(state.taker, Taker::Ending { .. }) {
                        state.taker = Taker::Nobody;
                        let lines = state.take();
                        drop(state);
                        lines.iter().for_each(print);
                        self.changed.notify_all();
                        return None;
                    }
                }
                Taker::Nobody | Taker::Awaited => return None,
            }
        }
    }

    /// The thread has handed over what it took.
    fn is_idle(&self) {
        let mut state = self.lock();
        if let Taker::Thread { busy, .. } = &mut state.taker {
            *busy = false;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Hands over the lines that are queued, and ends the thread if no other server needs it. False if a handler does not
    /// end: the thread still runs Python then.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        if let Taker::Thread { loggers, servers, .. } = &mut state.taker {
            *servers -= 1;
            if *servers > 0 {
                return true;
            }
            let loggers = Arc::clone(loggers);
            let thread = std::mem::replace(&mut state.taker, Taker::Ending { loggers: Some(loggers) });
            drop(state);
            drop(thread);
            self.changed.notify_all();
            state = self.lock();
        }
        let ending = |state: &mut LinesState| matches!(state.taker, Taker::Ending { .. });
        let ended = self.changed.wait_timeout_while(state, LAST_LINES, ending);
        !ended.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, LinesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinesState {
    /// Counts a line that is to be queued, or drops it.
    fn has_room(&mut self, line: &LogLine) -> bool {
        let text = match line {
            LogLine::Event(event) => event.text.len(),
            LogLine::Request(request) => request.line.as_ref().map_or(0, String::len) + request.target.len(),
        };
        if self.bytes + text + LINE > MAX_WAITING {
            self.dropped += 1;
            return false;
        }
        self.bytes += text + LINE;
        true
    }

    /// Takes all lines, and a notice about those that were dropped.
    fn take(&mut self) -> Vec<LogLine> {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let text = format!("{dropped} lines were not logged: Python's handlers are too slow for them");
            self.lines.push(LogLine::Event(LogEvent { time: SystemTime::now(), level: WARNING, text }));
        }
        self.bytes = 0;
        self.urgent = false;
        std::mem::take(&mut self.lines)
    }
}

/// Prints a line without Python.
fn print(line: &LogLine) {
    match line {
        LogLine::Event(event) => STDERR.push(&plain_line(event.time, event.level, &event.text)),
        LogLine::Request(LogRequest { line: Some(line), .. }) => STDOUT.push(format!("{line}\n").as_bytes()),
        LogLine::Request(LogRequest { client, method, target, version, status, .. }) => {
            STDOUT.push(format!("{client} - \"{method} {target} HTTP/{version}\" {status}\n").as_bytes());
        }
    }
}
