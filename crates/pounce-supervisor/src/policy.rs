//! The numbers that a supervisor decides by.

use std::num::NonZeroU64;
use std::time::Duration;

/// How a supervisor treats its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many workers.
    pub workers: usize,
    /// Whether a worker can be ended by force: a process can, a thread cannot.
    pub killable: bool,
    /// Restarts within [`respawn_window`](Self::respawn_window) after which a slot is given up.
    pub respawn_limit: usize,
    /// Time after which a restart counts no more.
    pub respawn_window: Duration,
    /// From spawn to serving.
    pub startup_timeout: Duration,
    /// What a draining worker gives to what runs.
    pub drain_timeout: Duration,
    /// What it gives to its application's shutdown after that.
    pub shutdown_timeout: Duration,
    /// Silence of a busy worker after which it counts as stuck; `None` for never.
    pub healthcheck: Option<Duration>,
    /// Requests after which a worker is replaced.
    pub max_requests: Option<NonZeroU64>,
    /// Most requests added to that at random.
    pub max_requests_jitter: u64,
    /// Time after which a worker is replaced.
    pub lifetime: Option<Duration>,
    /// Most time added to that at random.
    pub lifetime_jitter: Duration,
    /// Bytes of memory above which a worker is replaced.
    pub max_rss: Option<u64>,
    /// Where the random numbers begin.
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
