//! The pauses of Python's garbage collector.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyCFunction;

use super::asyncio::attached;
use super::event_loop::EventLoop;

/// Reports pauses for as long as this lives. For the loop's thread.
pub struct CollectorWatch {
    event_loop: EventLoop,
    report: Py<PyCFunction>,
}

impl EventLoop {
    /// Calls `report` with the length of each pause of this interpreter's garbage collector, on whatever thread it runs.
    /// Of several who watch one interpreter the last to come is told.
    pub fn watch_collector(
        &self,
        report: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Option<CollectorWatch> {
        let py = attached();
        let told = PyCFunction::new_closure(py, Some(c"report"), None, move |arguments, _| {
            let (nanos,): (u64,) = arguments.extract()?;
            report(Duration::from_nanos(nanos));
            Ok::<_, PyErr>(())
        });
        let watched = told.and_then(|told| {
            self.asyncio.glue.bind(py).call_method1("watch_collector", (&told,))?;
            Ok(told.unbind())
        });
        match watched {
            Ok(report) => Some(CollectorWatch { event_loop: self.clone(), report }),
            Err(error) => {
                tracing::warn!(target: "pounce", "the garbage collector cannot be watched: {error}");
                None
            }
        }
    }
}

impl Drop for CollectorWatch {
    fn drop(&mut self) {
        let glue = self.event_loop.asyncio.glue.bind(attached());
        if let Err(error) = glue.call_method1("unwatch_collector", (&self.report,)) {
            tracing::warn!(target: "pounce", "the garbage collector is still watched: {error}");
        }
    }
}
