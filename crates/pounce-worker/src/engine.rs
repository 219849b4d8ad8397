//! State that all connections of a worker share: settings, buffers, the date, counts.

mod buffers;
mod burst;
mod census;
mod connection_guard;
mod own_fields;
mod read_ahead;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Instant;

use pounce_asgi::ResponseHead;
use pounce_metrics::{Refused, WorkerMetrics};

pub(crate) use buffers::{Buffers, READ_SIZE};
use burst::Burst;
use census::Census;
pub use census::OpenRequest;
pub(crate) use connection_guard::ConnectionGuard;
use own_fields::OwnFields;
use read_ahead::ReadAhead;
pub(crate) use read_ahead::Share;

use crate::Settings;
use crate::connection::server_response;
use crate::flusher::Flusher;
use crate::observer::Observer;
use crate::websocket::{Codecs, Refusal};

/// The close reason that both sides of a WebSocket get when the worker stops.
pub(crate) const RESTARTING: &str = "the server is restarting";

/// The answer to a request that takes longer than `--timeout-request`.
pub(crate) const REQUEST_TOO_LONG: &str = "the request took too long";

/// The phase of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerPhase {
    Serving,
    /// Exchanges run on; connections close as they become idle.
    Draining,
    /// The time for draining is over.
    Aborting,
}

/// The state that the connections of one worker share.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) needs_response_fields: bool,
    phase: Cell<WorkerPhase>,
    /// What health checks say.
    is_ready: Cell<bool>,
    /// Exchanges whose application has not returned.
    pub(crate) running: Cell<usize>,
    pub(crate) burst: Burst,
    /// The number of the latest exchange.
    exchanges: Cell<u64>,
    /// Requests that have begun. Only the worker's thread writes it.
    pub(crate) requests: Arc<AtomicU64>,
    /// Notified when `requests` reaches [`Settings::max_requests`].
    pub(crate) spent: tokio::sync::Notify,
    /// The connections that have something to write at the end of a turn.
    pub(crate) flusher: Flusher,
    /// Compress and inflate WebSocket messages.
    pub(crate) codecs: Rc<Codecs>,
    /// The budget for WebSocket messages that applications have not received yet.
    pub(crate) read_ahead: Rc<ReadAhead>,
    pub(crate) buffers: Buffers,
    pub(crate) own_fields: OwnFields,
    /// The wakers of the tasks that must see a change of phase.
    wakers: RefCell<HashMap<u64, Waker>>,
    /// The reports of open requests, while a census is under way.
    census: RefCell<Option<Census>>,
    connections: Cell<usize>,
    next_key: Cell<u64>,
    /// Connections beyond the limit that are being answered.
    pub(crate) refusing: Cell<usize>,
    /// Notified when a connection has ended.
    pub(crate) departed: tokio::sync::Notify,
}

impl Engine {
    pub(crate) fn new(settings: Settings, observer: Option<Box<dyn Observer>>) -> Self {
        Self {
            needs_response_fields: observer.as_ref().is_some_and(|observer| observer.needs_response_fields()),
            own_fields: OwnFields::new(&settings),
            read_ahead: ReadAhead::new(settings.websocket.unwrap_or_default().max_queued_bytes),
            settings,
            observer,
            exchanges: Cell::new(0),
            phase: Cell::new(WorkerPhase::Serving),
            is_ready: Cell::new(true),
            running: Cell::new(0),
            burst: Burst::default(),
            requests: Arc::default(),
            spent: tokio::sync::Notify::new(),
            flusher: Flusher::default(),
            codecs: Rc::default(),
            buffers: Buffers::default(),
            wakers: RefCell::default(),
            census: RefCell::default(),
            connections: Cell::new(0),
            next_key: Cell::new(0),
            refusing: Cell::new(0),
            departed: tokio::sync::Notify::new(),
        }
    }

    /// Called when a task that may call the application is polled: first writes old output. Returns the time.
    pub(crate) fn begin_poll(&self) -> Instant {
        let now = Instant::now();
        self.flusher.flush_old(now);
        now
    }

    pub(crate) fn phase(&self) -> WorkerPhase {
        self.phase.get()
    }

    /// Publishes to other workers that this one accepts, and how many connections it has.
    pub(crate) fn tell_load(&self) {
        if let (Some(load), WorkerPhase::Serving) = (&self.settings.load, self.phase()) {
            load.set(self.connections());
        }
    }

    /// Publishes that this worker accepts no more.
    pub(crate) fn leave_load(&self) {
        if let Some(load) = &self.settings.load {
            load.leave();
        }
    }

    /// Whether other workers should accept the next connection.
    pub(crate) fn is_ahead(&self) -> bool {
        self.settings.load.as_ref().is_some_and(|load| load.is_ahead(self.connections()))
    }

    /// Enters a phase and wakes every connection.
    pub(crate) fn enter(&self, phase: WorkerPhase) {
        self.phase.set(phase);
        self.wake_all();
    }

    fn wake_all(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    /// Whether load balancers should send requests here.
    pub(crate) fn is_ready(&self) -> bool {
        let metrics = self.settings.metrics.as_ref();
        self.is_ready.get() && metrics.is_none_or(|metrics| metrics.rows().is_ready())
    }

    /// From now on load balancers should not.
    pub(crate) fn set_not_ready(&self) {
        self.is_ready.set(false);
    }

    /// Whether the concurrency limit is reached.
    pub(crate) fn is_busy(&self) -> bool {
        self.settings.http.limit_concurrency.is_some_and(|limit| self.running.get() as u64 >= limit.get())
    }

    /// Counts something, if anybody looks.
    pub(crate) fn count_metric(&self, count: impl FnOnce(&WorkerMetrics)) {
        self.settings.metrics.as_deref().map(count);
    }

    /// Logs and counts a request that takes longer than it may.
    pub(crate) fn log_request_timeout(&self, method: &[u8], path: &[u8]) {
        self.count_metric(|metrics| metrics.refused(Refused::RequestTimeout));
        tracing::warn!(
            target: "pounce",
            "{} {} has taken {:?} and is given up: its application is cancelled",
            method.escape_ascii(),
            path.escape_ascii(),
            self.settings.http.timeout_request.unwrap_or_default(),
        );
    }

    /// The response of the server to a request that it refuses.
    pub(crate) fn refuse(&self, status: u16, detail: &str) -> (ResponseHead, String) {
        self.count_metric(|metrics| {
            metrics.refused(match self.phase() {
                WorkerPhase::Draining | WorkerPhase::Aborting if status == 503 => Refused::Draining,
                _ => Refused::by_status(status),
            });
        });
        server_response(status, detail)
    }

    /// Why a WebSocket cannot be opened now, if so.
    pub(crate) fn refuses_websocket(&self) -> Result<(), Refusal> {
        match self.phase() {
            WorkerPhase::Serving if self.is_busy() => {
                Err(Refusal { status: 503, detail: "the server is busy" })
            }
            WorkerPhase::Serving => Ok(()),
            WorkerPhase::Draining | WorkerPhase::Aborting => Err(Refusal { status: 503, detail: RESTARTING }),
        }
    }

    /// Numbers a new exchange.
    pub(crate) fn number_exchange(&self) -> u64 {
        let number = self.exchanges.get() + 1;
        self.exchanges.set(number);
        number
    }

    /// Counts a new request.
    pub(crate) fn count_request(&self) {
        let count = self.requests.load(Ordering::Relaxed) + 1;
        self.requests.store(count, Ordering::Relaxed);
        if self.settings.max_requests.is_some_and(|limit| limit.get() == count) {
            self.spent.notify_one();
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }
}
