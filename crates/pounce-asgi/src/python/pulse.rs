//! Whether a loop turns, for a watchdog on another thread to see without disturbing it.
//!
//! A loop that waits for events turns by definition, and costs nothing to watch: a flag says that it waits. One
//! that is busy is pinged, and answers in its next turn.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::sys::pthread::{Pthread, pthread_self};
use tokio::sync::Notify;

/// The pulse of one loop. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Pulse {
    shared: Arc<Shared>,
}

struct Shared {
    thread: Pthread,
    /// The loop waits for events.
    waits: AtomicBool,
    /// It has stopped waiting since this was last taken.
    worked: AtomicBool,
    /// The watchdog sleeps until the loop works again.
    unwatched: AtomicBool,
    pinged: AtomicU64,
    answered: AtomicU64,
    ping: Notify,
    /// Nobody feels this pulse any more.
    unfelt: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

thread_local! {
    /// The pulse of this thread's loop, if it is watched.
    static PULSE: RefCell<Option<Pulse>> = const { RefCell::new(None) };
}

impl Pulse {
    /// Feels the pulse of the loop that runs on this thread from now on, inside its runtime. `wake` is called, on
    /// this thread, when the loop works again after [`rest`](Self::rest) said that nobody looks.
    pub(super) fn of_this_thread(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let pulse = Self {
            shared: Arc::new(Shared {
                thread: pthread_self(),
                waits: AtomicBool::new(false),
                worked: AtomicBool::new(true),
                unwatched: AtomicBool::new(false),
                pinged: AtomicU64::new(0),
                answered: AtomicU64::new(0),
                ping: Notify::new(),
                unfelt: AtomicBool::new(false),
                wake: Box::new(wake),
            }),
        };
        PULSE.set(Some(pulse.clone()));
        let shared = Arc::clone(&pulse.shared);
        tokio::task::spawn_local(async move {
            while !shared.unfelt.load(Ordering::Acquire) {
                shared.ping.notified().await;
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

    /// Stops looking until the loop works again. Says whether that is so: not when it has worked since the
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

    /// Whether it has not worked since [`rest`](Self::rest) said so.
    pub fn rests(&self) -> bool {
        self.shared.unwatched.load(Ordering::SeqCst)
    }

    /// Has the loop answer in its next turn.
    pub fn ping(&self) {
        self.shared.pinged.fetch_add(1, Ordering::AcqRel);
        self.shared.ping.notify_one();
    }

    /// Nobody feels it any more: what answers pings ends.
    pub fn leave(&self) {
        self.shared.unfelt.store(true, Ordering::Release);
        self.shared.ping.notify_one();
    }

    /// Whether it has answered the last ping.
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

/// It has something to do.
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

/// Nobody feels this thread's pulse any more.
pub(super) fn end() {
    PULSE.take();
}
