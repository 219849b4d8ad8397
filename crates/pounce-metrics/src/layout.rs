//! Which number is where in a row.
//!
//! Counters come first and only grow. Gauges come last: they are true of the worker that has the row, and are cleared
//! when it ends.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::buckets;
use crate::labels::{METHODS, Protocol, Refused, Restart, STATUSES};

/// How many numbers a row has: a page.
pub(crate) const NUMBERS: usize = 512;

/// A row of the shared memory.
pub(crate) type Row = [AtomicU64; NUMBERS];

/// Places one number, or several, behind those before.
macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident: $count:expr, after $before:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: Range<usize> = $before..$before + $count;)*
    };
}

layout! {
    /// Requests, by method and then by status.
    REQUESTS: METHODS.len() * STATUSES.len(), after 0;
    /// How long they took.
    DURATIONS: buckets::NUMBERS, after REQUESTS.end;
    /// Connections accepted.
    CONNECTIONS: 1, after DURATIONS.end;
    /// Bytes received from clients and sent to them.
    BYTES: 2, after CONNECTIONS.end;
    /// WebSockets opened.
    WEBSOCKETS: 1, after BYTES.end;
    /// Messages of WebSockets, by direction.
    MESSAGES: 2, after WEBSOCKETS.end;
    /// TLS handshakes: complete, failed.
    HANDSHAKES: 2, after MESSAGES.end;
    /// Refusals, by reason.
    REFUSED: Refused::ALL.len(), after HANDSHAKES.end;
    /// How late the event loop was.
    LAGS: buckets::NUMBERS, after REFUSED.end;
    /// How long it was blocked, in nanoseconds.
    BLOCKED: 1, after LAGS.end;
    /// The pauses of the garbage collector.
    PAUSES: buckets::NUMBERS, after BLOCKED.end;
    /// Workers started in the place of others, by reason; the server's own row has them.
    RESTARTS: Restart::ALL.len(), after PAUSES.end;
    /// The highest number of a row that has ever been in use; the server's own row has it.
    USED: 1, after RESTARTS.end;

    /// Requests in flight.
    IN_FLIGHT: 1, after USED.end;
    /// Open connections, by protocol.
    OPEN: Protocol::ALL.len(), after IN_FLIGHT.end;
    /// Open WebSockets.
    OPEN_WEBSOCKETS: 1, after OPEN.end;
    /// 1 for a worker that serves.
    SERVING: 1, after OPEN_WEBSOCKETS.end;
    /// Its process.
    PROCESS: 1, after SERVING.end;
    /// When its event loop is due to show that it turns, in nanoseconds of the monotonic clock; 0 while it rests.
    DUE: 1, after PROCESS.end;
    /// When it started, in microseconds since the Unix epoch.
    STARTED: 1, after DUE.end;
}

/// Where the gauges are.
pub(crate) const GAUGES: Range<usize> = IN_FLIGHT.start..STARTED.end;

const _: () = assert!(GAUGES.end <= NUMBERS, "a row is a page");

/// Notes that whoever has the row starts now, in this process.
pub(crate) fn begin(row: &Row, process: u32) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    row[PROCESS.start].store(process.into(), Ordering::Relaxed);
    row[STARTED.start].store(u64::try_from(since.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
