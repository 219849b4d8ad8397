//! The settings of a worker.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use pounce_config::{HttpConfig, LifecycleConfig, ProxyConfig, WebSocketConfig};
use pounce_metrics::{TextFormat, WorkerMetrics};
use pounce_net::Load;

use crate::tls::TlsStore;

/// The numbers of all workers as text.
pub type MetricsText = Arc<dyn Fn(TextFormat) -> String + Send + Sync>;

/// The settings of one worker: parts of the configuration, and values from its server.
#[derive(Clone)]
pub struct Settings {
    /// Timeouts, limits, and the fields of responses.
    pub http: HttpConfig,
    /// WebSockets; with `None`, upgrades are treated as plain requests.
    pub websocket: Option<WebSocketConfig>,
    /// Proxies in front of the server.
    pub proxies: ProxyConfig,
    /// How long exchanges may run on once the worker drains.
    pub lifecycle: LifecycleConfig,
    /// Certificates and keys; `None` for clear text.
    pub tls: Option<Arc<TlsStore>>,
    /// After how many requests the worker should be replaced; see [`Worker::spent`](crate::Worker::spent).
    pub max_requests: Option<NonZeroU64>,
    /// This worker's entry in the load table of the workers that accept from the same sockets.
    pub load: Option<Load>,
    /// Where the worker counts what it does; `None` if nobody looks.
    pub metrics: Option<Arc<WorkerMetrics>>,
    /// What the worker answers at [`HttpConfig::metrics_path`].
    pub metrics_text: Option<MetricsText>,
    /// Accept connections to Unix sockets from this process's user and from root alone.
    pub own_user_only: bool,
    /// The time over which the rates of clients are measured.
    pub rate_window: Duration,
}

impl Default for Settings {
    /// The defaults of the options.
    fn default() -> Self {
        Self {
            http: HttpConfig::default(),
            websocket: Some(WebSocketConfig::default()),
            proxies: ProxyConfig::default(),
            lifecycle: LifecycleConfig::default(),
            tls: None,
            max_requests: None,
            load: None,
            metrics: None,
            metrics_text: None,
            own_user_only: false,
            rate_window: Duration::from_secs(30),
        }
    }
}
