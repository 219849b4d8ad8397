//! The plan a worker is started with, and its JSON. The channel that carries the text, and turning descriptors back
//! into listeners, are elsewhere.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::WorkerConfig;
use crate::secret::Secret;

/// Everything a worker needs to know from the server.
///
/// Both ends should be the same release; the version catches the exceptions, such as a program replaced on disk under
/// a running server.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WorkerPlan {
    version: u32,
    /// The configuration.
    pub config: WorkerConfig,
    /// The worker's slot, from 0.
    pub worker_id: u32,
    /// How many times the server has reloaded.
    pub generation: u32,
    /// Listeners the worker inherits.
    pub listeners: Vec<ListenerHandle>,
    /// Lifespan state, if the server ran the lifespan for its workers.
    pub lifespan_state: Option<Map<String, Value>>,
    /// `sys.path` of the server; empty if the worker's is the same.
    pub sys_path: Vec<String>,
    /// Requests after which the worker asks to be replaced.
    pub max_requests: Option<NonZeroU64>,
    /// The table in which workers publish their numbers of connections.
    pub load: Option<Handover>,
    /// Where the worker counts what it does.
    pub metrics: Option<Handover>,
    /// The TLS secrets that all workers of a server share.
    pub tls: Option<TlsHandover>,
}

impl WorkerPlan {
    /// Replaces the numbers of descriptors by those that they have in this process.
    pub fn renumber(&mut self, number: impl Fn(i32) -> i32) {
        for listener in &mut self.listeners {
            listener.fd = number(listener.fd);
        }
        for handover in [&mut self.load, &mut self.metrics].into_iter().flatten() {
            handover.fd = number(handover.fd);
        }
    }
}

impl fmt::Debug for WorkerPlan {
    /// Shows only the keys of the lifespan's state: applications keep passwords in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPlan")
            .field("config", &self.config)
            .field("worker_id", &self.worker_id)
            .field("generation", &self.generation)
            .field("listeners", &self.listeners)
            .field(
                "lifespan_state",
                &self.lifespan_state.as_ref().map(|state| state.keys().collect::<Vec<_>>()),
            )
            .field("sys_path", &self.sys_path)
            .field("max_requests", &self.max_requests)
            .field("load", &self.load)
            .field("metrics", &self.metrics)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// A worker's place in memory that all workers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// The descriptor of the memory.
    pub fd: i32,
    /// The number of the worker's place.
    pub place: u32,
}

/// TLS secrets that let a worker continue the sessions of the other workers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsHandover {
    /// The secret from which session ticket keys derive: the number of its period, and its bytes.
    pub ticket_secret: (u64, [u8; 32]),
    /// The contents of the TLS files that the configuration names, as last read successfully.
    pub texts: Vec<Secret>,
}

impl fmt::Debug for TlsHandover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsHandover(..)")
    }
}

/// A listening socket in the form another process can adopt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerHandle {
    /// The file descriptor's number in the worker.
    pub fd: i32,
    /// The socket's address family.
    pub family: AddressFamily,
}

/// The address family of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressFamily {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// A Unix socket.
    Unix,
}

/// A plan that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The plan is of another version.
    #[error("the worker plan is version {found}, this program reads version {}", WorkerPlan::VERSION)]
    Version {
        /// Its version.
        found: u32,
    },
    /// The text is not a plan.
    #[error("the worker plan cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// A path of the configuration is not Unicode.
    #[error("the worker plan cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

impl WorkerPlan {
    /// The version written, and the only one read.
    pub const VERSION: u32 = 1;

    /// A plan without lifespan state, `sys.path`, limit of requests or load table.
    pub fn new(
        config: WorkerConfig,
        worker_id: u32,
        generation: u32,
        listeners: Vec<ListenerHandle>,
    ) -> Self {
        let version = Self::VERSION;
        Self {
            version,
            config,
            worker_id,
            generation,
            listeners,
            lifespan_state: None,
            sys_path: Vec::new(),
            max_requests: None,
            load: None,
            metrics: None,
            tls: None,
        }
    }

    /// The plan as one line of JSON.
    ///
    /// # Errors
    ///
    /// [`PlanError::Unwritable`].
    pub fn to_json(&self) -> Result<String, PlanError> {
        serde_json::to_string(self).map_err(PlanError::Unwritable)
    }

    /// The plan that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`PlanError::Version`] for a plan of another version, whatever its content, and [`PlanError::Malformed`] for
    /// any other text that is not a plan, unknown or missing fields included.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        match serde_json::from_str::<Self>(text) {
            Ok(plan) if plan.version == Self::VERSION => Ok(plan),
            Ok(plan) => Err(PlanError::Version { found: plan.version }),
            Err(error) => match serde_json::from_str(text) {
                Ok(Versioned { version: found }) if found != Self::VERSION => {
                    Err(PlanError::Version { found })
                }
                _ => Err(PlanError::Malformed(error)),
            },
        }
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}
