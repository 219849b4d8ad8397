//! The configuration of a server: options, their layers, their validation.
//!
//! There is one table of options, [`OPTIONS`]. Three sources set them: a TOML file, the environment and the
//! command line. [`Layers`] lays these over the defaults; the later source wins, and every value remembers its
//! [`Origin`]. [`Layers::build`] turns the layers into a [`ServerConfig`] or into [`ConfigErrors`], which hold
//! every fault at once.
//!
//! ```
//! use std::path::PathBuf;
//! use std::time::Duration;
//!
//! use pounce_config::{ConfigFile, Layers};
//!
//! let file = ConfigFile {
//!     path: PathBuf::from("pounce.toml"),
//!     text: "port = 9000\nkeep-alive = '2m'".into(),
//! };
//! let arguments = [("app", ["main:app"]), ("port", ["0"])];
//! let config = Layers::new().file(&file).command_line(arguments).build()?;
//! assert_eq!(config.listen.binds, ["127.0.0.1:0"]);
//! assert_eq!(config.http.timeout_keep_alive, Duration::from_secs(120));
//! assert_eq!(config.origin("timeout-keep-alive").to_string(), "keep-alive in pounce.toml");
//!
//! let errors = Layers::new().command_line([("log-level", ["inof"])]).build().unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "app: nothing given, expected MODULE:ATTRIBUTE, MODULE:FACTORY() or MODULE, such as main:app\n\
//!      log-level: expected critical, error, warning, info, debug or trace, not \"inof\" \
//!      (--log-level on the command line); did you mean \"info\"?"
//! );
//! # Ok::<(), pounce_config::ConfigErrors>(())
//! ```
//!
//! Once a program has parsed its command line, it gets its configuration in three steps:
//!
//! 1. add the environment and the command line to [`Layers`];
//! 2. [`discover`] the file, with [`Layers::config_path`] as the explicit one and [`Layers::compat`], and add it too;
//! 3. [`build`](Layers::build) and log the [`notes`](ServerConfig::notes).
//!
//! A worker receives its part of the configuration as a [`WorkerPlan`], in JSON.
//!
//! Nothing here opens a socket, knows Python or has a clock, and only [`discover`] and [`ForeignFile`] read files.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod assemble;
mod config;
mod env_file;
mod fault;
mod layer;
mod options;
mod origin;
mod part;
#[cfg(feature = "plan")]
mod plan;
mod resolve;
mod secret;
mod value;

pub use config::{
    AccessLogFormat, AppConfig, AsgiExtension, CertificateFiles, ClientCertificates, Http2Config, HttpConfig,
    HttpVersions, Interface, LifecycleConfig, LifespanMode, LifespanScope, ListenConfig, LogConfig,
    LogFormat, LogLevel, LogSource, LoopKind, ProcessConfig, Proxies, ProxyConfig, ReloadConfig,
    RequestLimits, ServerConfig, TlsConfig, TlsVersion, WebSocketConfig, WorkerConfig, WorkerMode,
    WorkersConfig,
};
pub use env_file::{EnvFileError, parse_env_file};
pub use fault::{ConfigErrors, ConfigFault, Problem};
pub use layer::{Compat, ForeignFile, ForeignSettings, Layers};
#[cfg(feature = "file")]
pub use layer::{ConfigFile, FoundFile, discover};
#[cfg(feature = "file")]
pub use options::json_schema;
pub use options::{
    Arity, ForeignOption, Kind, OPTIONS, OptionSpec, Section, Verdict, arity, close_option, find_foreign,
    find_option, foreign_options,
};
pub use origin::Origin;
#[cfg(feature = "plan")]
pub use plan::{AddressFamily, Handover, ListenerHandle, PlanError, TlsHandover, WorkerPlan};
pub use secret::Secret;
