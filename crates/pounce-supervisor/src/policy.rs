//! The limits and timeouts that a supervisor decides by.

use std::num::NonZeroU64;
use std::time::Duration;

/// How a supervisor treats its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The number of workers.
    pub workers: usize,
    /// Whether a worker can be ended by force: a process can, a thread cannot.
    pub killable: bool,
    /// Restarts within [`respawn_window`](Self::respawn_window) after which a slot is given up.
    pub respawn_limit: usize,
    /// Time after which a restart no longer counts.
    pub respawn_window: Duration,
    /// Limit for a worker from spawn to serving.
    pub startup_timeout: Duration,
    /// How long a draining worker lets requests run.
    pub drain_timeout: Duration,
    /// How long its application may then take to shut down.
    pub shutdown_timeout: Duration,
    /// Silence of a busy worker after which it counts as stuck; `None` for never.
    pub healthcheck: Option<Duration>,
    /// Requests after which a worker is replaced.
    pub max_requests: Option<NonZeroU64>,
    /// Upper bound of the random number of requests added to that.
    pub max_requests_jitter: u64,
    /// Time after which a worker is replaced.
    pub lifetime: Option<Duration>,
    /// Upper bound of the random time added to that.
    pub lifetime_jitter: Duration,
    /// Bytes of memory above which a worker is replaced.
    pub max_rss: Option<u64>,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            workers: 1,
            killable: true,
            respawn_limit: 5,
            respawn_window: Duration::from_secs(60),
            startup_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
            healthcheck: Some(Duration::from_secs(30)),
            max_requests: None,
            max_requests_jitter: 0,
            lifetime: None,
            lifetime_jitter: Duration::ZERO,
            max_rss: None,
            seed: 0,
        }
    }
}
