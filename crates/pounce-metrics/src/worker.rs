//! How a worker counts. All of it is a few memory accesses, without a lock and without a system call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::buckets;
use crate::labels::{self, Direction, Protocol, Refused, STATUSES, Spans};
use crate::layout::{self, Row};
use crate::number::{add, subtract};
use crate::requests;
use crate::rows::Rows;

/// The worker's side of a row. Cheap to clone; used on the worker's thread alone, but for what says otherwise.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    rows: Rows,
    place: u32,
    /// Whether it lists its requests.
    lists: bool,
}

impl WorkerMetrics {
    /// The worker's side of the place with this number.
    pub fn new(rows: Rows, place: u32) -> Self {
        let lists = rows.row(0)[layout::LISTS.start].load(Ordering::Relaxed) == 1;
        Self { rows, place, lists }
    }

    /// The number of its place.
    pub fn place(&self) -> u32 {
        self.place
    }

    /// The numbers of all workers.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    fn row(&self) -> &Row {
        self.rows.row(self.place)
    }

    fn number(&self, at: usize) -> &AtomicU64 {
        &self.row()[at]
    }

    /// The worker serves, in the process with this number.
    pub fn serves(&self, process: u32) {
        self.number(layout::PROCESS.start).store(process.into(), Ordering::Relaxed);
        self.number(layout::SERVING.start).store(1, Ordering::Relaxed);
    }

    /// The worker accepts no more.
    pub fn drains(&self) {
        self.number(layout::SERVING.start).store(0, Ordering::Relaxed);
        self.number(layout::DRAINING.start).store(1, Ordering::Relaxed);
    }

    /// A request has begun, with this number. Returns its place in the list of requests, if it is listed.
    pub fn request_begun(&self, number: u64, method: &[u8], path: &[u8]) -> Option<u8> {
        add(self.number(layout::IN_FLIGHT.start), 1);
        if self.lists { requests::list(self.row(), number, method, path) } else { None }
    }

    /// It is over. `duration` is `None` for a WebSocket, which lasts as long as its users like.
    pub fn request_ended(&self, listed: Option<u8>, method: &[u8], status: u16, duration: Option<Duration>) {
        if let Some(at) = listed {
            requests::take_off(self.row(), at);
        }
        let at = labels::method(method) * STATUSES.len() + labels::status(status);
        add(self.number(layout::REQUESTS.start + at), 1);
        if let Some(duration) = duration {
            buckets::observe(&self.row()[layout::DURATIONS], duration);
        }
        subtract(self.number(layout::IN_FLIGHT.start), 1);
    }

    /// A connection has been accepted; what it speaks may turn out later.
    pub fn connection_opened(&self, protocol: Protocol) {
        add(self.number(layout::CONNECTIONS.start), 1);
        add(self.number(layout::OPEN.start + protocol as usize), 1);
    }

    /// It speaks another from now on.
    pub fn connection_turned(&self, before: Protocol, now: Protocol) {
        subtract(self.number(layout::OPEN.start + before as usize), 1);
        add(self.number(layout::OPEN.start + now as usize), 1);
    }

    /// It is closed.
    pub fn connection_closed(&self, protocol: Protocol) {
        subtract(self.number(layout::OPEN.start + protocol as usize), 1);
    }

    /// Bytes have passed a socket.
    pub fn bytes(&self, direction: Direction, count: u64) {
        add(self.number(layout::BYTES.start + direction as usize), count);
    }

    /// A WebSocket has opened.
    pub fn websocket_opened(&self) {
        add(self.number(layout::WEBSOCKETS.start), 1);
        add(self.number(layout::OPEN_WEBSOCKETS.start), 1);
    }

    /// It is closed.
    pub fn websocket_closed(&self) {
        subtract(self.number(layout::OPEN_WEBSOCKETS.start), 1);
    }

    /// A message of a WebSocket.
    pub fn message(&self, direction: Direction) {
        add(self.number(layout::MESSAGES.start + direction as usize), 1);
    }

    /// A TLS handshake is over.
    pub fn handshake(&self, is_complete: bool) {
        add(self.number(layout::HANDSHAKES.start + usize::from(!is_complete)), 1);
    }

    /// The server has refused a connection or a request.
    pub fn refused(&self, why: Refused) {
        add(self.number(layout::REFUSED.start + why as usize), 1);
    }

    /// The event loop is due to report then, by the monotonic clock. `None` while it rests.
    pub fn due(&self, at: Option<Duration>) {
        let nanos = at.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        self.number(layout::DUE.start).store(nanos, Ordering::Relaxed);
    }

    /// It reported so much later, and counts as blocked if that is longer than `blocked`.
    pub fn lag(&self, late: Duration, blocked: Duration) {
        buckets::observe(&self.row()[layout::LAGS], late);
        if late >= blocked {
            let nanos = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            add(self.number(layout::BLOCKED.start), nanos);
        }
    }

    /// Spans of traces have met this fate. Dropped ones are counted on the worker's thread, others on the exporter's.
    pub fn spans(&self, fate: Spans, count: u64) {
        add(self.number(layout::SPANS.start + fate as usize), count);
    }

    /// The garbage collector has paused the interpreter. Its callers take turns, whatever thread they run on.
    pub fn pause(&self, lasted: Duration) {
        buckets::observe(&self.row()[layout::PAUSES], lasted);
    }
}
