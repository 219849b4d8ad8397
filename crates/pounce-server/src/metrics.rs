//! What the server counts, and how others read it.

mod endpoint;

use std::os::fd::AsFd as _;
use std::sync::Arc;

use pounce_asgi::python::{self, Interpreter};
use pounce_config::ServerConfig;
use pounce_metrics::{Build, Rows, Scoreboard, TextFormat};
use pounce_net::{Listener, LocalAddr};
use pounce_worker::MetricsText;

use crate::clock::monotonic;
use crate::error::ServerError;
use crate::listeners;
use crate::side_server::SideServer;

/// The metrics of a server that has started nothing yet.
pub(crate) struct Metrics {
    /// What the workers count; `None` if nobody asks for it.
    pub(crate) scoreboard: Option<Scoreboard>,
    /// The sockets of their own address.
    listeners: Vec<Listener>,
}

impl Metrics {
    /// Binds the address of the metrics, and makes room for them, as far as they are configured.
    ///
    /// # Errors
    /// The address cannot be bound, or memory is exhausted.
    pub(crate) fn open(config: &ServerConfig) -> Result<Self, ServerError> {
        let bind = config.metrics_bind.as_deref();
        let lists = config.control.is_some();
        let is_wanted = bind.is_some() || config.http.metrics_path.is_some() || lists;
        let system = |error| ServerError::System { what: "cannot make memory for metrics", error };
        let scoreboard = is_wanted.then(|| Scoreboard::new(lists)).transpose().map_err(system)?;
        if let Some(scoreboard) = &scoreboard {
            python::disown(scoreboard.rows().as_fd());
        }
        let listeners = bind.map(|bind| listeners::open(bind, None)).transpose()?.unwrap_or_default();
        Ok(Self { scoreboard, listeners })
    }

    /// Serves them at their own address, if they have one.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn serve(self) -> Result<Option<SideServer>, ServerError> {
        let Some(scoreboard) = self.scoreboard.filter(|_| !self.listeners.is_empty()) else {
            return Ok(None);
        };
        for listener in &self.listeners {
            tracing::info!(target: "pounce", "Metrics at {}", address(listener));
        }
        endpoint::serve(self.listeners, text(scoreboard.rows())).map(Some)
    }
}

fn address(listener: &Listener) -> String {
    match listener.local_addr() {
        LocalAddr::Tcp(address) => format!("http://{address}/metrics"),
        LocalAddr::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// The numbers of all workers as text, in any process that has them.
pub(crate) fn text(rows: &Rows) -> MetricsText {
    let rows = rows.clone();
    let build = Build { version: env!("CARGO_PKG_VERSION"), python: Interpreter::version() };
    Arc::new(move |format: TextFormat| {
        let seen = rows.snapshot();
        let resident = seen.processes().map(resident).sum();
        seen.text(format, &build, monotonic(), resident)
    })
}

/// The resident memory of a process in bytes; 0 if it is gone.
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse().ok());
    kib.unwrap_or(0_u64) << 10
}
