//! What all connections of a worker share: settings, buffers, the date, who is connected.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Instant, SystemTime};

use http::{HeaderName, HeaderValue};

use crate::Settings;
use crate::access::AccessLog;
use crate::flusher::Flusher;
use crate::http1::ResponseContext;
use crate::websocket::Codecs;

/// The size of the buffers that sockets are read into.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// How many unused buffers to read into a worker keeps.
const KEPT_READ_BUFFERS: usize = 16;

/// How many to write into: all that are full at the end of a turn are written and given back one after the other.
const KEPT_WRITE_BUFFERS: usize = 256;

/// A buffer that has grown beyond this is not kept.
const KEPT_CAPACITY: usize = 128 * 1024;

/// How far the worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Exchanges run on; connections close as they become idle.
    Draining,
    /// The time for that is over.
    Aborting,
}

/// The state that the connections of one worker share.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) access: Option<Box<dyn AccessLog>>,
    pub(crate) needs_response_fields: bool,
    phase: Cell<Phase>,
    /// Exchanges whose application has not returned.
    pub(crate) running: Cell<usize>,
    /// Requests that have begun. Written by the worker's thread alone.
    pub(crate) requests: Arc<AtomicU64>,
    /// Told when they are as many as [`Settings::max_requests`].
    pub(crate) spent: tokio::sync::Notify,
    /// What has something to write at the end of a turn.
    pub(crate) flusher: Flusher,
    /// What WebSocket messages are compressed with.
    pub(crate) codecs: Rc<Codecs>,
    read_buffers: RefCell<Vec<Box<[u8]>>>,
    write_buffers: RefCell<Vec<Vec<u8>>>,
    date: RefCell<DateLine>,
    date_header: bool,
    server: Vec<u8>,
    extra: Vec<u8>,
    extra_values: Vec<(HeaderName, HeaderValue)>,
    /// What wakes the tasks that have to see how far the worker is in its life.
    wakers: RefCell<HashMap<u64, Waker>>,
    connections: Cell<usize>,
    next_key: Cell<u64>,
    /// Woken when the last connection has gone.
    pub(crate) emptied: tokio::sync::Notify,
}

/// A connection that is there, as long as this lives.
pub(crate) struct Presence {
    engine: Rc<Engine>,
    key: u64,
    counts: bool,
}

impl Presence {
    pub(crate) fn new(engine: &Rc<Engine>) -> Self {
        let mut this = Self::of_stream(engine);
        this.counts = true;
        this.count(1);
        this
    }

    /// A part of a connection that has to see what the worker does.
    pub(crate) fn of_stream(engine: &Rc<Engine>) -> Self {
        let key = engine.next_key.get();
        engine.next_key.set(key + 1);
        // Its task is about to be polled for the first time: until then there is nobody to wake.
        engine.wakers.borrow_mut().insert(key, Waker::noop().clone());
        Self { engine: Rc::clone(engine), key, counts: false }
    }

    /// Says which task it is that has the connection.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        if let Some(known) = self.engine.wakers.borrow_mut().get_mut(&self.key) {
            known.clone_from(waker);
        }
    }

    fn count(&self, change: isize) {
        self.engine.connections.set(self.engine.connections.get().saturating_add_signed(change));
        self.engine.tell_load();
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.engine.wakers.borrow_mut().remove(&self.key);
        if self.counts {
            self.count(-1);
            if self.engine.connections() == 0 {
                self.engine.emptied.notify_waiters();
            }
        }
    }
}

impl Engine {
    pub(crate) fn new(settings: Settings, access: Option<Box<dyn AccessLog>>) -> Self {
        let given = |wanted: &str| settings.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let server = if settings.server_header && !given("server") {
            b"server: pounce\r\n".to_vec()
        } else {
            Vec::new()
        };
        let date_header = settings.date_header && !given("date");
        let mut extra = Vec::new();
        let values = settings.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
        });
        let extra_values = values.collect();
        for (name, value) in &settings.headers {
            extra.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        Self {
            needs_response_fields: access.as_ref().is_some_and(|access| access.needs_response_fields()),
            settings,
            access,
            phase: Cell::new(Phase::Serving),
            running: Cell::new(0),
            requests: Arc::default(),
            spent: tokio::sync::Notify::new(),
            flusher: Flusher::default(),
            codecs: Rc::default(),
            read_buffers: RefCell::default(),
            write_buffers: RefCell::default(),
            date: RefCell::new(DateLine::default()),
            date_header,
            server,
            extra,
            extra_values,
            wakers: RefCell::default(),
            connections: Cell::new(0),
            next_key: Cell::new(0),
            emptied: tokio::sync::Notify::new(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Tells other workers that this one accepts, and how many connections it has.
    pub(crate) fn tell_load(&self) {
        if let (Some(load), Phase::Serving) = (&self.settings.load, self.phase()) {
            load.set(self.connections());
        }
    }

    /// Tells them that it accepts no more.
    pub(crate) fn leave_load(&self) {
        if let Some(load) = &self.settings.load {
            load.leave();
        }
    }

    /// Whether others should have the next connection.
    pub(crate) fn is_ahead(&self) -> bool {
        self.settings.load.as_ref().is_some_and(|load| load.is_ahead(self.connections()))
    }

    /// Enters a phase and lets every connection see it.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    /// Whether as many exchanges run as may.
    pub(crate) fn is_busy(&self) -> bool {
        self.settings.max_concurrency.is_some_and(|limit| self.running.get() >= limit)
    }

    /// Counts a request that begins.
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

    /// A buffer of [`READ_SIZE`] bytes.
    pub(crate) fn take_read_buffer(&self) -> Box<[u8]> {
        self.read_buffers.borrow_mut().pop().unwrap_or_else(|| vec![0; READ_SIZE].into_boxed_slice())
    }

    pub(crate) fn give_read_buffer(&self, buffer: Box<[u8]>) {
        let mut buffers = self.read_buffers.borrow_mut();
        if buffer.len() == READ_SIZE && buffers.len() < KEPT_READ_BUFFERS {
            buffers.push(buffer);
        }
    }

    /// An empty buffer to gather output in.
    pub(crate) fn take_write_buffer(&self) -> Vec<u8> {
        self.write_buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    pub(crate) fn give_write_buffer(&self, buffer: Vec<u8>) {
        let mut buffers = self.write_buffers.borrow_mut();
        if buffers.len() < KEPT_WRITE_BUFFERS && (1..=KEPT_CAPACITY).contains(&buffer.capacity()) {
            buffers.push(buffer);
        }
    }

    /// The value of `date`, where responses have one.
    pub(crate) fn date_value(&self, now: Instant) -> Option<HeaderValue> {
        if !self.date_header {
            return None;
        }
        let mut date = self.date.borrow_mut();
        date.at(now);
        date.value.clone()
    }

    /// The value of `server`, where responses have one.
    pub(crate) fn server_value(&self) -> Option<HeaderValue> {
        (!self.server.is_empty()).then(|| HeaderValue::from_static("pounce"))
    }

    /// Fields that the operator adds to every response.
    pub(crate) fn extra_values(&self) -> &[(HeaderName, HeaderValue)] {
        &self.extra_values
    }

    /// Calls `with` with what a response needs to know.
    pub(crate) fn with_context<R>(
        &self,
        now: Instant,
        close: bool,
        with: impl FnOnce(ResponseContext<'_>) -> R,
    ) -> R {
        let mut date = self.date.borrow_mut();
        let date = if self.date_header { date.at(now) } else { &[] };
        with(ResponseContext { date, server: &self.server, extra: &self.extra, close })
    }
}

/// The line `date: …`, made once a second.
#[derive(Default)]
struct DateLine {
    line: Vec<u8>,
    /// The same as HTTP/2 has it.
    value: Option<HeaderValue>,
    valid_until: Option<Instant>,
}

impl DateLine {
    fn at(&mut self, now: Instant) -> &[u8] {
        if self.valid_until.is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            let into_second =
                time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            let left = std::time::Duration::from_nanos(u64::from(1_000_000_000 - into_second));
            self.valid_until = Some(now + left);
            let date = httpdate::fmt_http_date(time);
            self.line = format!("date: {date}\r\n").into_bytes();
            self.value = HeaderValue::try_from(date).ok();
        }
        &self.line
    }
}
