//! The output of the process: standard error for the server's log, standard output for the access log, or files.
//!
//! No thread that logs a line waits for the reader of the stream. A line goes into a bounded queue, and one native
//! thread for each stream writes the queue. The descriptors stay blocking: O_NONBLOCK would change them for
//! every process that shares the terminal or the pipe.

mod file;
mod lines;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{IsTerminal as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::rfc3339;
pub(crate) use file::is_named;
pub(crate) use lines::LINES;
pub(crate) use queue::Queue;
use queue::Target;

/// How long an ending process waits for queued lines.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// The lines of the server's log.
pub(crate) static STDERR: Queue = Queue::new(Target::Stderr);

/// The lines of the access log.
pub(crate) static STDOUT: Queue = Queue::new(Target::Stdout);

/// Standard error, while the server's log is in a file: for the reason why the process ends.
static CONSOLE: Queue = Queue::new(Target::Stderr);

/// Whether the server's log is in a file.
static IN_FILE: AtomicBool = AtomicBool::new(false);

/// Whether lines are JSON objects.
static JSON: AtomicBool = AtomicBool::new(false);

/// Writes the server's log to a file from now on.
///
/// # Errors
/// It cannot be opened for writing.
pub(crate) fn use_log_file(path: &Path) -> std::io::Result<()> {
    STDERR.use_file(path)?;
    IN_FILE.store(true, Ordering::Relaxed);
    Ok(())
}

/// Decides whether lines of the server's log are JSON objects from now on.
pub(crate) fn use_json(json: bool) {
    JSON.store(json, Ordering::Relaxed);
}

/// Whether lines are JSON objects.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints why the process ends: `error: …`, and a hint. Does not wait; the process's last [`flush`] writes the line.
/// Where the log is in a file, standard error has it too.
pub fn error(message: impl Display, hint: Option<&str>) {
    if !LINES.are_taken() {
        // Lines that waited for Python go first.
        LINES.flush_until(Instant::now());
    }
    let after = hint.map(|hint| format!("\nhint: {hint}\n")).unwrap_or_default();
    let text = format!("error: {message}\n{after}");
    if IN_FILE.load(Ordering::Relaxed) {
        CONSOLE.push(text.as_bytes());
    }
    match hint {
        Some(hint) if is_structured() => tracing::error!(target: "pounce", hint, "{message}"),
        None if is_structured() => tracing::error!(target: "pounce", "{message}"),
        _ => STDERR.push(text.as_bytes()),
    }
}

/// Whether a line must be an event of the log, to look like the others.
fn is_structured() -> bool {
    is_json() || LINES.are_taken()
}

/// Prints a text outside the log, such as help, with colours on a terminal.
pub fn text(colored: &str, plain: &str, to_stderr: bool) {
    let (queue, is_terminal) = match to_stderr {
        true => (&STDERR, std::io::stderr().is_terminal()),
        false => (&STDOUT, std::io::stdout().is_terminal()),
    };
    let shown = if is_terminal && colors_are_wanted() { colored } else { plain };
    queue.push(shown.as_bytes());
}

/// Whether the user has not disabled colours (<https://no-color.org>).
pub(crate) fn colors_are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Waits until queued lines of both streams are written, but not for long: the reader may have stopped.
pub fn flush() {
    let deadline = Instant::now() + LAST_FLUSH;
    // It prints the lines that Python did not get.
    LINES.flush_until(deadline);
    let deadline = Instant::now() + LAST_FLUSH;
    // The access log first: its writer may report an error on standard error.
    STDOUT.flush_until(deadline);
    STDERR.flush_until(deadline);
    CONSOLE.flush_until(deadline);
}

/// Makes panics print through the queue like every other line: Python code may wait for the thread that panics.
pub fn print_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let mut text = format!("thread '{name}' {panic}");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("\n{backtrace}"));
        }
        if is_structured() {
            tracing::error!(target: "pounce", "{text}");
        } else {
            STDERR.push(format!("{text}\n").as_bytes());
        }
    }));
}

/// A writer that receives whole events of the log.
pub(crate) struct Events;

impl Write for Events {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        STDERR.push(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A warning in the log's format, whatever its level: for the notice about lines that could not be printed.
pub(crate) fn warning(text: &str) -> Vec<u8> {
    let now = SystemTime::now();
    if is_json() {
        let line = serde_json::json!({ "timestamp": rfc3339(now), "level": "WARN", "target": "pounce", "message": text });
        return format!("{line}\n").into_bytes();
    }
    plain_line(now, 30, text)
}

/// A line as text without colours; the level is in Python's numbers.
pub(crate) fn plain_line(time: SystemTime, level: u8, text: &str) -> Vec<u8> {
    let level = match level {
        40.. => "ERROR",
        30.. => " WARN",
        20.. => " INFO",
        10.. => "DEBUG",
        _ => "TRACE",
    };
    format!("{} {level} {text}\n", rfc3339(time)).into_bytes()
}
