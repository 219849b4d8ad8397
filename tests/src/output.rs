//! The output of a process, collected in the background so that the process never blocks on a full pipe.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One output stream of a process. Clones share the collected text.
#[derive(Clone, Debug, Default)]
pub struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    /// Collects `source` on a separate thread until it ends.
    pub fn collect(mut source: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let collected = output.clone();
        std::thread::spawn(move || {
            let mut block = [0; 8192];
            loop {
                match source.read(&mut block) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => collected.lock().bytes.extend_from_slice(&block[..count]),
                }
                collected.shared.changed.notify_all();
            }
            collected.lock().ended = true;
            collected.shared.changed.notify_all();
        });
        output
    }

    /// Everything printed so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Everything printed so far, with invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Waits until `probe` returns a value for the text, the stream ends, or `limit` is over.
    pub fn wait<T>(&self, limit: Duration, mut probe: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(value) = probe(&String::from_utf8_lossy(&state.bytes)) {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the stream.
    pub fn wait_ended(&self, limit: Duration) {
        self.wait::<()>(limit, |_| None);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
