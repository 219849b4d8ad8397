//! Workers that are threads of this process.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::worker::{Order, WorkerEnd, WorkerEvents, WorkerHandle};

/// Starts a worker thread. `body` returns how it ended.
///
/// # Errors
/// The system cannot start another thread.
pub fn start(
    name: String,
    events: WorkerEvents,
    body: impl FnOnce(WorkerEnd) -> String + Send + 'static,
) -> io::Result<WorkerHandle> {
    let reports = events.clone();
    let end = WorkerEnd::new(move |status| reports.status(status));
    let told = end.clone();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let how = catch_unwind(AssertUnwindSafe(|| body(end)));
        events.ended(how.unwrap_or_else(|_| "a fault inside the server; please report it".to_owned()));
    })?;
    let order = move |order| {
        // The machine never orders force against a thread.
        if let Order::Send(message) = order {
            told.take(message);
        }
    };
    Ok(WorkerHandle::new(order, Some(thread)))
}
