//! What a worker is started with, as JSON that crosses to it. Which channel carries the text, and turning
//! descriptors back into listeners, are not done here.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::WorkerConfig;
use crate::secret::Secret;

/// Everything a worker needs to rebuild what the server decided.
///
/// Both ends are the same release; the version catches the case where they are not, such as a program
/// that was replaced on disk under a running server.
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
    /// Lifespan state, where the server ran the lifespan for its workers.
    pub lifespan_state: Option<Map<String, Value>>,
    /// `sys.path` of the server; empty where the worker's own is the same.
    pub sys_path: Vec<String>,
    /// Requests after which the worker asks to be replaced.
    pub max_requests: Option<NonZeroU64>,
    /// Where workers tell each other how many connections they have.
    pub load: Option<LoadHandover>,
    /// What all workers of a server have in common where connections are encrypted.
    pub tls: Option<TlsHandover>,
}

impl fmt::Debug for WorkerPlan {
    /// Of the lifespan's state the keys alone: applications keep passwords in there.
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
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// A worker's place among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadHandover {
    /// The descriptor of the table that all workers share.
    pub fd: i32,
    /// The number of its place in there.
    pub place: u32,
}

/// What a worker is given to encrypt connections as the others do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsHandover {
    /// What the keys of session tickets come from: the number of its period, and its bytes.
    pub ticket_secret: (u64, [u8; 32]),
    /// The texts of the files that the configuration names, as they were last of use.
    pub texts: Vec<Secret>,
}

impl fmt::Debug for TlsHandover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsHandover(..)")
    }
}

/// A listening socket as another process can take it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerHandle {
    /// The file descriptor's number in the worker.
    pub fd: i32,
    /// What the socket is bound to.
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

    /// A plan without lifespan state, with an empty `sys.path` and without a limit of requests or a place among others.
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
    /// [`PlanError::Version`] for a plan of another version, whatever else it holds, and
    /// [`PlanError::Malformed`] for anything that is not a plan, an unknown or missing field included.
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
