//! The settings of a worker: limits, timeouts and the fields it adds.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use pounce_net::Load;

use crate::http1::RequestLimits;
use crate::tls::TlsStore;

/// The settings of one worker. The defaults are those of the server's options.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much a client may send.
    pub limits: RequestLimits,
    /// How long an idle connection is kept.
    pub keep_alive_timeout: Duration,
    /// How long a whole head may take.
    pub header_timeout: Duration,
    /// How long a body may stall while the application waits for it.
    pub body_timeout: Duration,
    /// How long a client may not read while something waits to be written.
    pub write_timeout: Duration,
    /// What a client must read at least while something waits to be written; `None` for anything.
    pub min_read_rate: Option<LeastRate>,
    /// What must come at least of a body while the application waits for it; `None` for anything.
    pub min_body_rate: Option<LeastRate>,
    /// Which versions of HTTP are spoken.
    pub versions: Versions,
    /// HTTP/2.
    pub http2: Http2Settings,
    /// WebSockets; `None` where upgrades are plain requests.
    pub websocket: Option<WebSocketSettings>,
    /// What connections are encrypted with; `None` for clear text.
    pub tls: Option<Arc<TlsStore>>,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long exchanges may run on once the worker drains.
    pub graceful_timeout: Duration,
    /// How many connections may be open; one more is answered 503.
    pub max_connections: Option<usize>,
    /// How many exchanges may run; one more is answered 503.
    pub max_concurrency: Option<usize>,
    /// How many requests the worker is meant for; see [`Worker::spent`](crate::Worker::spent).
    pub max_requests: Option<NonZeroU64>,
    /// The place of this worker among those that accept from the same sockets.
    pub load: Option<Load>,
    /// Whether responses get a `date`.
    pub date_header: bool,
    /// Whether responses get a `server`.
    pub server_header: bool,
    /// Fields that every response gets, checked by who made them.
    pub headers: Vec<(String, String)>,
}

/// A rate that is measured over windows of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastRate {
    /// Bytes a second.
    pub bytes: NonZeroU64,
    /// How long is measured at a time.
    pub window: Duration,
}

impl LeastRate {
    /// So many bytes a second, over 30 seconds.
    pub const fn per_second(bytes: NonZeroU64) -> Self {
        Self { bytes, window: Duration::from_secs(30) }
    }
}

/// Which versions of HTTP are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Whichever the client asks for by ALPN, or begins with in clear text.
    Auto,
    /// HTTP/1.1 and 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Windows and limits of HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Settings {
    /// Streams that a client may have open at a time.
    pub max_concurrent_streams: u32,
    /// Bytes of a body that a client may send ahead of the application, on one stream.
    pub initial_stream_window_size: u32,
    /// The same for all streams of a connection together.
    pub initial_connection_window_size: u32,
    /// Bytes of the greatest frame that a client may send.
    pub max_frame_size: u32,
    /// Frames without use that a client may send ahead of useful ones.
    pub max_idle_frames: u32,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 128,
            initial_stream_window_size: 256 * 1024,
            initial_connection_window_size: 1024 * 1024,
            max_frame_size: 16 * 1024,
            max_idle_frames: 1000,
        }
    }
}

/// Limits and habits of WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketSettings {
    /// Bytes of the greatest message that a client may send, inflated.
    pub max_size: usize,
    /// Messages that are read ahead of the application.
    pub max_queue: usize,
    /// Bytes that all WebSockets of the worker may hold together before their applications take them.
    pub max_queued_bytes: usize,
    /// How often an idle connection is pinged; `None` never.
    pub ping_interval: Option<Duration>,
    /// How long a ping may stay unanswered; `None` for ever.
    pub ping_timeout: Option<Duration>,
    /// Whether messages are compressed for clients that offer it (RFC 7692).
    pub per_message_deflate: bool,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            max_size: 16 * 1024 * 1024,
            max_queue: 32,
            max_queued_bytes: 256 * 1024 * 1024,
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Some(Duration::from_secs(20)),
            per_message_deflate: true,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: RequestLimits::default(),
            keep_alive_timeout: Duration::from_secs(75),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            min_read_rate: NonZeroU64::new(100).map(LeastRate::per_second),
            min_body_rate: None,
            versions: Versions::Auto,
            http2: Http2Settings::default(),
            websocket: Some(WebSocketSettings::default()),
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            graceful_timeout: Duration::from_secs(10),
            max_connections: None,
            max_concurrency: None,
            max_requests: None,
            load: None,
            date_header: true,
            server_header: true,
            headers: Vec::new(),
        }
    }
}
