//! Lists the open requests: every task reports its own when asked, so that no list must be kept.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Engine;

/// A request whose response is not complete, or whose application has not returned; or a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// Its method, or `WebSocket`.
    pub method: String,
    /// Its path without the query, percent-encoded as received.
    pub path: String,
    /// How long it has been open.
    pub open_for: Duration,
}

/// The reports, by an address that identifies the request: a task may be polled more than once.
pub(super) type Census = BTreeMap<usize, OpenRequest>;

impl Engine {
    /// Asks every task.
    pub(crate) fn begin_census(&self) {
        self.census.replace(Some(Census::new()));
        self.wake_all();
    }

    /// Whether tasks must report.
    pub(crate) fn is_counting(&self) -> bool {
        self.census.borrow().is_some()
    }

    /// Reports an open request. `of` is an address that no other open request has.
    pub(crate) fn count<T>(&self, of: *const T, method: &[u8], path: &[u8], started: Instant) {
        if let Some(census) = &mut *self.census.borrow_mut() {
            census.entry(of.addr()).or_insert_with(|| OpenRequest {
                method: method.escape_ascii().to_string(),
                path: path.escape_ascii().to_string(),
                open_for: started.elapsed(),
            });
        }
    }

    /// The reports, the longest open request first.
    pub(crate) fn end_census(&self) -> Vec<OpenRequest> {
        let mut open: Vec<_> = self.census.take().unwrap_or_default().into_values().collect();
        open.sort_by_key(|request| std::cmp::Reverse(request.open_for));
        open
    }
}
