//! The answers of worker processes to a question of the operator.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

/// Passes answers on to whoever asks at the moment.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Option<mpsc::UnboundedSender<(u32, String)>>>);

impl Answers {
    /// The answers from now on, with the workers' slots. Who asked before gets no more.
    pub(super) fn ask(&self) -> mpsc::UnboundedReceiver<(u32, String)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// A worker has answered.
    pub(crate) fn give(&self, slot: u32, text: String) {
        if let Some(asking) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // An error means that nobody waits any more.
            let _ = asking.send((slot, text));
        }
    }
}
