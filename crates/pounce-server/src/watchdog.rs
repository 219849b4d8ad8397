//! Acts even while Python blocks a loop: enforces deadlines, and reports stuck workers.
//!
//! One thread per process, asleep while nothing is due. Every deadline inside a loop also has a slightly later one
//! here: if the loop misses it, the process logs that and exits. Watching the loops themselves is in
//! `watchdog::patient`.

mod patient;
mod stall;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pounce_asgi::python::{EventLoop, Stacks};

use crate::error::ServerError;
use crate::output;
use patient::Patient;
pub(crate) use patient::{Subject, rss};

/// How long after the loop's own deadline the process gives up on it.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The watchdog of a process.
#[derive(Clone, Default)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    /// Whether the process ends when a deadline has passed; otherwise that is only reported.
    ends_process: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<WatchdogState>,
    changed: Condvar,
}

#[derive(Default)]
struct WatchdogState {
    deadline: Option<Deadline>,
    patients: Vec<(u64, Patient)>,
    next_key: u64,
    is_over: bool,
}

struct Deadline {
    at: Instant,
    message: String,
    exit_code: u8,
}

/// The reader of stuck threads' stacks. Call once per process.
pub(crate) fn stacks(event_loop: &EventLoop) -> Option<Arc<Stacks>> {
    static STACKS: Mutex<Option<Arc<Stacks>>> = Mutex::new(None);
    let mut stacks = STACKS.lock().unwrap_or_else(PoisonError::into_inner);
    if stacks.is_none() {
        match event_loop.stacks() {
            Ok(made) => *stacks = Some(Arc::new(made)),
            Err(error) => {
                tracing::warn!(target: "pounce", "the stacks of stuck workers cannot be shown\n{error}");
            }
        }
    }
    stacks.clone()
}

/// Watches a loop for as long as this lives. Drop it before the loop's thread ends.
pub(crate) struct WatchedWorker {
    shared: Arc<Shared>,
    key: u64,
}

impl Drop for WatchedWorker {
    fn drop(&mut self) {
        self.shared.lock().patients.retain(|(key, _)| *key != self.key);
    }
}

impl Watchdog {
    /// Starts the thread; `clean_up` runs before it ends the process.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(ends_process: bool, clean_up: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let watchdog = Self { ends_process, ..Self::default() };
        let shared = Arc::clone(&watchdog.shared);
        std::thread::Builder::new().name("pounce-watchdog".to_owned()).spawn(move || {
            while let Some(expired) = shared.watch() {
                output::error(&expired.message, None);
                if ends_process {
                    clean_up();
                    signal_hook::low_level::exit(expired.exit_code.into());
                }
            }
        })?;
        Ok(watchdog)
    }

    /// Sets the deadline, replacing any earlier one.
    pub(crate) fn arm(&self, after: Duration, exit_code: u8, message: impl Into<String>) {
        let at = Instant::now().checked_add(after);
        self.shared.lock().deadline = at.map(|at| Deadline { at, message: message.into(), exit_code });
        self.shared.changed.notify_one();
    }

    /// Sets the deadline for a startup, which may block the loop.
    pub(crate) fn arm_startup(&self, timeout: Duration) {
        let too_long = ServerError::StartupTimeout(timeout);
        self.arm(timeout + GRACE / 2, too_long.exit_code(), too_long.to_string());
    }

    /// Clears the deadline.
    pub(crate) fn disarm(&self) {
        self.shared.lock().deadline = None;
    }

    /// Ends the thread where the process outlives the server.
    pub(crate) fn end_if_process_goes_on(&self) {
        if !self.ends_process {
            self.shared.lock().is_over = true;
            self.shared.changed.notify_one();
        }
    }

    /// The stacks of the workers in this process: what each event loop does at this moment.
    pub(crate) fn stacks(&self) -> Vec<String> {
        self.shared.lock().patients.iter().map(|(_, patient)| patient.stack()).collect()
    }

    /// Watches the loop of this thread.
    pub(crate) fn watch(&self, event_loop: &EventLoop, subject: Subject) -> WatchedWorker {
        let shared = Arc::clone(&self.shared);
        let pulse = event_loop.pulse(subject.blocked.is_some(), move || {
            // Hold the lock, or the thread could miss this between its check and its wait.
            let state = shared.lock();
            shared.changed.notify_one();
            drop(state);
        });
        let mut state = self.shared.lock();
        let key = state.next_key;
        state.next_key += 1;
        state.patients.push((key, Patient::new(pulse, subject, Instant::now())));
        self.shared.changed.notify_one();
        WatchedWorker { shared: Arc::clone(&self.shared), key }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, WatchdogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until the deadline passes.
    fn watch(&self) -> Option<Deadline> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if let Some(expired) = state.deadline.take_if(|deadline| deadline.at <= now) {
                return Some(expired);
            }
            if state.is_over {
                return None;
            }
            let checks = state.patients.iter_mut().filter_map(|(_, patient)| patient.check(now)).min();
            let next = checks.into_iter().chain(state.deadline.as_ref().map(|deadline| deadline.at)).min();
            state = match next {
                Some(at) => {
                    let left = at.saturating_duration_since(now);
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
