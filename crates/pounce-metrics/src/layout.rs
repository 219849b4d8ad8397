//! Which number is where in a row.
//!
//! Counters come first and only grow. Gauges come last: they are true of the worker that has the row, and are cleared
//! when it ends.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::buckets;
use crate::labels::{METHODS, Protocol, Refused, Restart, STATUSES, Spans};

/// How many numbers of a row are summed: a page.
pub(crate) const SUMMED: usize = 512;

/// How many requests of a worker are listed while they run.
pub(crate) const LISTED: usize = 64;

/// How many numbers one of them takes.
pub(crate) const PER_REQUEST: usize = 16;

/// How many numbers a row has. Pages that nobody touches take no memory.
pub(crate) const NUMBERS: usize = SUMMED + LISTED * PER_REQUEST;

/// Where the requests are listed.
pub(crate) const REQUEST_LIST: Range<usize> = SUMMED..NUMBERS;

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
    /// Spans of traces, by what became of them.
    SPANS: Spans::ALL.len(), after PAUSES.end;
    /// Workers started in the place of others, by reason; the server's own row has them.
    RESTARTS: Restart::ALL.len(), after SPANS.end;
    /// The highest number of a row that has ever been in use; the server's own row has it.
    USED: 1, after RESTARTS.end;
    /// 1 if workers list their requests; the server's own row has it.
    LISTS: 1, after USED.end;
    /// 1 if the server is to look as if it was about to stop; the server's own row has it.
    NOT_READY: 1, after LISTS.end;

    /// Requests in flight.
    IN_FLIGHT: 1, after NOT_READY.end;
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
    /// The worker's slot, plus one; 0 if no worker has the row.
    SLOT: 1, after STARTED.end;
    /// Its generation.
    GENERATION: 1, after SLOT.end;
    /// 1 once it accepts no more.
    DRAINING: 1, after GENERATION.end;
    /// A bit for each place in the list of requests that is taken.
    TAKEN: 1, after DRAINING.end;
}

/// Where the gauges are.
pub(crate) const GAUGES: Range<usize> = IN_FLIGHT.start..TAKEN.end;

const _: () = assert!(GAUGES.end <= SUMMED, "what is summed fits in a page");
