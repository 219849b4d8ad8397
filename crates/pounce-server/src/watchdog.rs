//! A deadline that holds even while Python blocks the loop.
//!
//! One thread, asleep until a deadline passes. Everything that has a deadline inside the loop also has a
//! slightly later one here: if the loop does not get to it, the process says so and exits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much later than the loop's own deadline the process gives up on it.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The watchdog of a process.
#[derive(Clone, Default)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    deadline: Mutex<Option<Deadline>>,
    changed: Condvar,
}

struct Deadline {
    at: Instant,
    message: String,
    exit_code: u8,
}

impl Watchdog {
    /// Starts the thread; `clean_up` runs before it ends the process.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start(clean_up: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let watchdog = Self::default();
        let shared = Arc::clone(&watchdog.shared);
        std::thread::Builder::new().name("pounce-watchdog".to_owned()).spawn(move || {
            let expired = shared.wait();
            eprintln!("error: {}", expired.message);
            clean_up();
            signal_hook::low_level::exit(expired.exit_code.into());
        })?;
        Ok(watchdog)
    }

    /// Sets the one deadline, in place of any before.
    pub(crate) fn arm(&self, after: Duration, exit_code: u8, message: impl Into<String>) {
        let at = Instant::now().checked_add(after);
        *self.shared.lock() = at.map(|at| Deadline { at, message: message.into(), exit_code });
        self.shared.changed.notify_one();
    }

    /// Clears the deadline.
    pub(crate) fn disarm(&self) {
        *self.shared.lock() = None;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Deadline>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until a deadline has passed.
    fn wait(&self) -> Deadline {
        let mut deadline = self.lock();
        loop {
            let now = Instant::now();
            deadline = match deadline.take_if(|deadline| deadline.at <= now) {
                Some(expired) => return expired,
                None => match deadline.as_ref().map(|deadline| deadline.at - now) {
                    Some(left) => {
                        self.changed.wait_timeout(deadline, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => self.changed.wait(deadline).unwrap_or_else(PoisonError::into_inner),
                },
            };
        }
    }
}
