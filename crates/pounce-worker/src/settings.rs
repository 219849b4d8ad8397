//! What a worker is told about limits, timeouts and the fields it adds.

use std::num::NonZeroU64;
use std::time::Duration;

use pounce_net::Load;

use crate::http1::Limits;

/// The settings of one worker. The defaults are those of the server's options.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much a client may send.
    pub limits: Limits,
    /// How long an idle connection is kept.
    pub keep_alive_timeout: Duration,
    /// How long a whole head may take.
    pub header_timeout: Duration,
    /// How long a body may stall while the application waits for it.
    pub body_timeout: Duration,
    /// How long a client may not read while something waits to be written.
    pub write_timeout: Duration,
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keep_alive_timeout: Duration::from_secs(75),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
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
