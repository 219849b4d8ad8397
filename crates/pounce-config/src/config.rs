//! A complete and valid configuration, in the parts its consumers take.
//!
//! A [`ServerConfig`] can be made outside this crate by [`Layers::build`](crate::Layers::build) alone, so one that exists
//! has been validated. Each of its parts is what one consumer reads; a field has the name of its option.

mod process;
mod protocols;
mod proxies;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::origin::{Origin, Setting};
use crate::part;
pub use process::{AccessLogFormat, LogConfig, LogFormat, LogLevel, LogSource, ProcessConfig};
pub use protocols::{
    CertificateFiles, ClientCertificates, Http2Config, HttpVersions, RequestLimits, TlsConfig, TlsVersion,
    WebSocketConfig,
};
pub use proxies::{Proxies, ProxyConfig};

/// The configuration of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The application.
    pub app: AppConfig,
    /// Where to listen.
    pub listen: ListenConfig,
    /// Timeouts, limits and headers of HTTP.
    pub http: HttpConfig,
    /// WebSockets; `None` if they are off.
    pub websocket: Option<WebSocketConfig>,
    /// Certificates; `None` for clear text.
    pub tls: Option<TlsConfig>,
    /// Proxies in front of the server.
    pub proxies: ProxyConfig,
    /// Start-up and shutdown.
    pub lifecycle: LifecycleConfig,
    /// How many workers, and when they are replaced.
    pub workers: WorkersConfig,
    /// The process that the server changes before it serves.
    pub process: ProcessConfig,
    /// The log.
    pub log: LogConfig,
    /// The endpoint for metrics, as those of [`ListenConfig::binds`].
    pub metrics_bind: Option<String>,
    /// The port that redirects to HTTPS, at each address that is listened at.
    pub redirect_http: Option<u16>,
    /// The Unix socket by which the server is controlled.
    pub control: Option<PathBuf>,
    /// Restarting when files change; `None` if it is off.
    pub reload: Option<ReloadConfig>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) notes: Vec<String>,
}

/// The parts of a [`ServerConfig`] that a worker needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// The application.
    pub app: AppConfig,
    /// Timeouts, limits and headers of HTTP.
    pub http: HttpConfig,
    /// WebSockets; `None` if they are off.
    pub websocket: Option<WebSocketConfig>,
    /// Certificates; `None` for clear text.
    pub tls: Option<TlsConfig>,
    /// Proxies in front of the server.
    pub proxies: ProxyConfig,
    /// Start-up and shutdown.
    pub lifecycle: LifecycleConfig,
    /// The log.
    pub log: LogConfig,
    /// Connections the kernel may queue at each address once a worker serves.
    pub backlog: u32,
    /// The name of a worker's process.
    pub process_name: Option<String>,
}

/// The application and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AppConfig {
    /// `module`, `module:attribute` or `module:factory()`, as it was given.
    pub target: String,
    /// First folder on `sys.path`; `None` for the working directory.
    pub app_dir: Option<PathBuf>,
    /// Call the target to get the application.
    pub factory: bool,
    /// The ASGI version it speaks.
    pub interface: Interface,
    /// The event loop that runs it.
    #[serde(rename = "loop")]
    pub event_loop: LoopKind,
    /// `scope["root_path"]`: empty, or absolute without a slash at its end.
    pub root_path: String,
    /// Interpreter or virtual environment whose packages it sees; `None` for the active one.
    pub python: Option<PathBuf>,
    /// File of variables for its environment; see [`parse_env_file`](crate::parse_env_file).
    pub env_file: Option<PathBuf>,
    /// Variables for its environment, in place of those that are set; names have no `=`.
    pub environment: Vec<(String, String)>,
    /// Extensions offered in addition to the default ones, sorted, each once.
    pub extensions: Vec<AsgiExtension>,
    /// Answer a failed request with a page that shows the error.
    pub debug: bool,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenConfig {
    /// `HOST:PORT`, `[V6]:PORT`, `unix:PATH` or `fd://N`; at least one, each once.
    pub binds: Vec<String>,
    /// Permission bits for Unix sockets; `None` leaves them to the umask.
    pub uds_permissions: Option<u32>,
    /// Connections the kernel may queue.
    pub backlog: u32,
}

/// Timeouts, limits and headers of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpConfig {
    /// How long an idle connection waits for its next request; zero closes it after each response.
    pub timeout_keep_alive: Duration,
    /// How long a whole request head may take; not zero.
    pub timeout_header: Duration,
    /// How long a body may stall; not zero.
    pub timeout_body: Duration,
    /// How long a client may leave a response unread; not zero.
    pub timeout_write: Duration,
    /// How long a request may take until the application has sent its response; `None` for no limit.
    #[serde(deserialize_with = "none_if_zero")]
    pub timeout_request: Option<Duration>,
    /// Most open connections; `None` for no limit.
    pub limit_connections: Option<NonZeroU64>,
    /// Most requests running at a time; `None` for no limit.
    pub limit_concurrency: Option<NonZeroU64>,
    /// How long a request may be.
    pub limits: RequestLimits,
    /// Bytes a second that a client must read while a response waits for it; `None` for no limit.
    pub limit_min_read_rate: Option<NonZeroU64>,
    /// Bytes per second of a body that a client must send while the application waits; `None` for no limit.
    pub limit_min_body_rate: Option<NonZeroU64>,
    /// The versions that are spoken.
    #[serde(rename = "http")]
    pub version: HttpVersions,
    /// HTTP/2.
    pub http2: Http2Config,
    /// Headers added to every response, in the order given: names in lower case, values printable ASCII. A `server`
    /// or `date` among them replaces the default one.
    #[serde(rename = "header")]
    pub headers: Vec<(String, String)>,
    /// The path at which a worker says whether it is ready.
    pub health_path: Option<String>,
    /// The path at which a worker says that its loop turns.
    pub live_path: Option<String>,
    /// The path at which a worker answers with the metrics of all workers.
    pub metrics_path: Option<String>,
    /// The header that has the id of each request, in lower case; `None` for no ids.
    pub request_id: Option<String>,
    /// Where spans of requests are sent; `None` for no traces.
    pub otel_endpoint: Option<String>,
    /// One of so many traces that begin here is recorded.
    pub otel_sample: NonZeroU64,
    /// Send `Server-Timing`.
    pub server_timing: bool,
    /// Send `Server`.
    pub server_header: bool,
    /// Send `Date`.
    pub date_header: bool,
}

/// How a server starts and stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LifecycleConfig {
    /// Whether the application gets lifespan events.
    pub lifespan: LifespanMode,
    /// Which process or worker runs the lifespan.
    pub lifespan_scope: LifespanScope,
    /// Call the application when a worker starts, drains and shuts down.
    pub worker_hooks: bool,
    /// How long the application's start-up may take; not zero.
    pub timeout_startup: Duration,
    /// How long running requests may go on after a stop was requested; zero stops at once.
    pub timeout_graceful_shutdown: Duration,
    /// How long it goes on serving after a stop was requested, not ready, before it drains.
    pub drain_delay: Duration,
    /// How long the event loop may be blocked before the log says where; `None` for as long as it likes.
    #[serde(deserialize_with = "none_if_zero")]
    pub log_blocked_loop: Option<Duration>,
    /// How long the event loop may be stuck before that is reported; `None` never.
    #[serde(rename = "timeout-worker-healthcheck", deserialize_with = "none_if_zero")]
    pub timeout_healthcheck: Option<Duration>,
}

/// How many workers there are, and when one is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkersConfig {
    /// How many; `None` for one per CPU that the process may use.
    #[serde(rename = "workers", deserialize_with = "number_or_none")]
    pub count: Option<NonZeroUsize>,
    /// What a worker is.
    #[serde(rename = "worker-mode")]
    pub mode: WorkerMode,
    /// Fork worker processes from one that has imported the application.
    pub preload: bool,
    /// A socket for each worker (SO_REUSEPORT) rather than one that all share.
    pub reuse_port: bool,
    /// Requests after which a worker is replaced.
    #[serde(rename = "limit-max-requests")]
    pub max_requests: Option<NonZeroU64>,
    /// Upper bound of the random number of requests added to that.
    #[serde(rename = "limit-max-requests-jitter")]
    pub max_requests_jitter: u64,
    /// Time after which a worker is replaced.
    #[serde(rename = "workers-lifetime")]
    pub lifetime: Option<Duration>,
    /// Upper bound of the random time added to that.
    #[serde(rename = "workers-lifetime-jitter")]
    pub lifetime_jitter: Duration,
    /// Bytes of memory (RSS) above which a worker process is replaced.
    #[serde(rename = "workers-max-rss")]
    pub max_rss: Option<u64>,
    /// Restarts of a worker within [`respawn_window`](Self::respawn_window) before it is given up.
    pub respawn_limit: usize,
    /// Time after which a restart no longer counts.
    pub respawn_window: Duration,
}

/// Which files are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadConfig {
    /// Folders to watch; empty for the working directory.
    pub dirs: Vec<PathBuf>,
    /// Patterns of files to watch.
    pub include: Vec<String>,
    /// Patterns of files and folders not to watch.
    pub exclude: Vec<String>,
    /// How long files must stay unchanged before the restart.
    pub delay: Duration,
}

/// The ASGI version an application speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Decided by the application's signature.
    Auto,
    /// One call with scope, receive and send.
    Asgi3,
    /// A call with the scope, then one with receive and send.
    Asgi2,
}

/// The event loop that runs the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopKind {
    /// Pounce's, which behaves as asyncio's.
    Pounce,
    /// asyncio's own.
    Asyncio,
}

/// Whether an application gets lifespan events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifespanMode {
    /// Yes, and it is served without them if it does not know them.
    Auto,
    /// Yes, and it is not served if they fail.
    On,
    /// No.
    Off,
}

/// The process or worker that runs the application's lifespan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifespanScope {
    /// Each process or interpreter that has its own copy of the application.
    Auto,
    /// The server, once for all workers.
    Server,
    /// Each worker for itself.
    Worker,
}

/// The kind of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerMode {
    /// Threads on free-threaded Python, else processes.
    Auto,
    /// A child process.
    Process,
    /// A thread of the one interpreter.
    Thread,
    /// A thread with its own interpreter and GIL.
    Subinterpreter,
}

/// ASGI extensions that are offered only if the user names them: middleware that rewrites bodies and does not
/// know them would lose the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsgiExtension {
    /// `http.response.pathsend`
    PathSend,
    /// `http.response.zerocopysend`
    ZeroCopySend,
}

macro_rules! defaults_of_options {
    ($($part:ty),*) => {
        $(impl Default for $part {
            /// As the options are when none is given.
            fn default() -> Self {
                part::default()
            }
        })*
    };
}

defaults_of_options!(HttpConfig, RequestLimits, Http2Config, WebSocketConfig, LifecycleConfig);

/// A time of which zero means never.
fn none_if_zero<'de, D: Deserializer<'de>>(time: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Duration>::deserialize(time)?.filter(|time| !time.is_zero()))
}

/// A number of which zero means that none is given.
fn number_or_none<'de, D: Deserializer<'de>>(number: D) -> Result<Option<NonZeroUsize>, D::Error> {
    usize::deserialize(number).map(NonZeroUsize::new)
}

impl AppConfig {
    /// The folder that comes first on `sys.path`, absolute.
    pub fn folder(&self) -> PathBuf {
        let named = self.app_dir.as_deref().unwrap_or(Path::new("."));
        let absolute = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
        // `absolute` keeps a trailing dot, which would look odd in tracebacks.
        absolute.components().collect()
    }
}

impl LifecycleConfig {
    /// How long requests may take to end after a stop was requested.
    pub fn stop_timeout(&self) -> Duration {
        self.drain_delay + self.timeout_graceful_shutdown
    }
}

impl ServerConfig {
    /// The parts that a worker needs.
    pub fn worker(&self) -> WorkerConfig {
        WorkerConfig {
            app: self.app.clone(),
            http: self.http.clone(),
            websocket: self.websocket,
            tls: self.tls.clone(),
            proxies: self.proxies.clone(),
            lifecycle: self.lifecycle.clone(),
            log: self.log.clone(),
            backlog: self.listen.backlog,
            process_name: self.process.name.clone(),
        }
    }

    /// Where the value of the option `name` came from; [`Origin::Default`] for an unknown name.
    pub fn origin(&self, name: &str) -> &Origin {
        let setting = self.settings.iter().find(|setting| setting.spec.name == name);
        setting.map_or(&Origin::Default, |setting| &setting.origin)
    }

    /// Every option in the order of the table: its name, its value as text (`None` if it has none, items of a list
    /// separated by commas, `(hidden)` for a password and for the values of variables) and the value's origin.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, Option<String>, &Origin)> {
        self.settings.iter().map(|Setting { spec, values, origin }| {
            let text = (!values.is_empty())
                .then(|| values.iter().map(|value| spec.shown(value)).collect::<Vec<_>>().join(", "));
            (spec.name, text, origin)
        })
    }

    /// The settings that have no effect, one line each, to be logged as warnings.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
