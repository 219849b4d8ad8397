//! Lets a watchdog on another thread see whether a loop makes progress, without disturbing it.
//!
//! A loop that waits for events is healthy by definition, and costs nothing to watch: a flag says that it waits. A busy
//! loop is pinged, and answers in its next turn.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::pthread::{Pthread, pthread_self};
use tokio::sync::Notify;

/// The pulse of one loop. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Pulse {
    shared: Arc<Shared>,
}

struct Shared {
    thread: Pthread,
    /// Whether the loop waits for events.
    waits: AtomicBool,
    /// Whether it has worked since the watchdog last checked.
    worked: AtomicBool,
    /// Whether the watchdog sleeps until the loop works again.
    unwatched: AtomicBool,
    pinged: AtomicU64,
    answered: AtomicU64,
    /// When it was last answered, in microseconds since `created`.
    answered_at: AtomicU64,
    created: Instant,
    ping: Notify,
    /// The request whose application runs, if that is noted.
    serving: Option<Mutex<Vec<u8>>>,
    /// Whether the watchdog has stopped watching.
    unfelt: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

thread_local! {
    /// The pulse of this thread's loop, if it is watched.
    static PULSE: RefCell<Option<Pulse>> = const { RefCell::new(None) };
}

impl Pulse {
    /// Observes the loop that runs on this thread from now on, and notes whom it serves if `notes_requests`. Call inside its
    /// runtime. `wake` is called on this thread when the loop works again after [`rest`](Self::rest) returned true.
    pub(super) fn of_this_thread(notes_requests: bool, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let pulse = Self {
            shared: Arc::new(Shared {
                thread: pthread_self(),
                waits: AtomicBool::new(false),
                worked: AtomicBool::new(true),
                unwatched: AtomicBool::new(false),
                pinged: AtomicU64::new(0),
                answered: AtomicU64::new(0),
                answered_at: AtomicU64::new(0),
                created: Instant::now(),
                ping: Notify::new(),
                serving: notes_requests.then(Mutex::default),
                unfelt: AtomicBool::new(false),
                wake: Box::new(wake),
            }),
        };
        PULSE.set(Some(pulse.clone()));
        let shared = Arc::clone(&pulse.shared);
        tokio::task::spawn_local(async move {
            while !shared.unfelt.load(Ordering::Acquire) {
                shared.ping.notified().await;
                let micros = u64::try_from(shared.created.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.answered_at.store(micros, Ordering::Relaxed);
                shared.answered.store(shared.pinged.load(Ordering::Acquire), Ordering::Release);
            }
        });
        pulse
    }

    /// The thread that the loop runs on.
    pub fn thread(&self) -> Pthread {
        self.shared.thread
    }

    /// Whether the loop waits for events.
    pub fn waits(&self) -> bool {
        self.shared.waits.load(Ordering::SeqCst)
    }

    /// Stops watching until the loop works again. False, and without effect, if the loop works or has worked since the
    /// last call.
    pub fn rest(&self) -> bool {
        let shared = &self.shared;
        shared.unwatched.store(true, Ordering::SeqCst);
        let rests = !shared.worked.swap(false, Ordering::SeqCst) && self.waits();
        if !rests {
            shared.unwatched.store(false, Ordering::SeqCst);
        }
        rests
    }

    /// Whether the loop has not worked since [`rest`](Self::rest) returned true.
    pub fn rests(&self) -> bool {
        self.shared.unwatched.load(Ordering::SeqCst)
    }

    /// Makes the loop answer in its next turn.
    pub fn ping(&self) {
        self.shared.pinged.fetch_add(1, Ordering::AcqRel);
        self.shared.ping.notify_one();
    }

    /// Stops watching for good: ends the task that answers pings.
    pub fn leave(&self) {
        self.shared.unfelt.store(true, Ordering::Release);
        self.shared.ping.notify_one();
    }

    /// Method and path of the request whose application runs at this moment, if requests are noted.
    pub fn serving(&self) -> Option<String> {
        let serving = self.shared.serving.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        (!serving.is_empty()).then(|| serving.escape_ascii().to_string())
    }

    /// When the loop answered the last ping, if it [has](Self::has_answered).
    pub fn answered_at(&self) -> Instant {
        self.shared.created + Duration::from_micros(self.shared.answered_at.load(Ordering::Relaxed))
    }

    /// Whether the loop has answered the last ping.
    pub fn has_answered(&self) -> bool {
        self.shared.answered.load(Ordering::Acquire) == self.shared.pinged.load(Ordering::Acquire)
    }
}

/// This thread's loop begins to wait.
pub(super) fn begin_wait() {
    PULSE.with_borrow(|pulse| {
        if let Some(pulse) = pulse {
            pulse.shared.waits.store(true, Ordering::SeqCst);
        }
    });
}

/// This thread's loop has something to do.
pub(super) fn end_wait() {
    PULSE.with_borrow(|pulse| {
        if let Some(pulse) = pulse {
            let shared = &pulse.shared;
            shared.waits.store(false, Ordering::SeqCst);
            shared.worked.store(true, Ordering::SeqCst);
            if shared.unwatched.load(Ordering::SeqCst) && shared.unwatched.swap(false, Ordering::SeqCst) {
                (shared.wake)();
            }
        }
    });
}

/// Runs a step of the application for this request, by its method and path.
pub(super) fn serve<T>(request: &[u8], step: impl FnOnce() -> T) -> T {
    let noted = PULSE.with_borrow(|pulse| {
        let shared = &pulse.as_ref()?.shared;
        shared.serving.as_ref()?;
        Some(Arc::clone(shared))
    });
    let Some(shared) = noted else { return step() };
    note(&shared, request);
    let stepped = step();
    note(&shared, &[]);
    stepped
}

fn note(shared: &Shared, request: &[u8]) {
    if let Some(serving) = &shared.serving {
        let mut serving = serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.clear();
        serving.extend_from_slice(request);
    }
}

/// This thread's loop has ended.
pub(super) fn end() {
    PULSE.take();
}
