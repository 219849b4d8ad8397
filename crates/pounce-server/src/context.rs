//! State that the parts of a running server share.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pounce_asgi::python::ProgramObjects;
use pounce_config::{LogLevel, WorkerConfig, WorkersConfig};
use pounce_metrics::Scoreboard;
use pounce_worker::tls::TlsStore;

use crate::announce::Announcer;
use crate::control::Answers;
use crate::handle::{Request, ServerHandle};
use crate::host::Host;
use crate::listeners::Listeners;
use crate::watchdog::Watchdog;

/// Everything a server needs while it runs.
pub(crate) struct ServerContext {
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) workers: WorkersConfig,
    /// The configured folders to watch for changes.
    pub(crate) reload_dirs: Vec<PathBuf>,
    /// What the program that runs the server has made itself.
    pub(crate) objects: Option<Arc<ProgramObjects>>,
    /// The program that the server is part of.
    pub(crate) host: Arc<dyn Host>,
    pub(crate) handle: ServerHandle,
    pub(crate) announcer: Announcer,
    pub(crate) watchdog: Watchdog,
    pub(crate) listeners: Arc<Listeners>,
    /// Certificates and keys; `None` without TLS.
    pub(crate) tls: Option<Arc<TlsStore>>,
    /// What all workers count, if anybody asks.
    pub(crate) metrics: Option<Scoreboard>,
    /// The level of the log that the operator has set, for workers that start.
    pub(crate) log_level: Cell<Option<LogLevel>>,
    /// Where the answers of worker processes go.
    pub(crate) answers: Arc<Answers>,
    pub(crate) limit: Arc<StopLimit>,
}

impl ServerContext {
    /// Closes the listeners of a server that stops, once the drain begins. One that is executed again keeps them. Inside
    /// the runtime.
    pub(crate) fn refuse_connections(&self) {
        if self.handle.asked() != Request::Stop {
            return;
        }
        let (listeners, delay) = (Arc::clone(&self.listeners), self.worker.lifecycle.drain_delay);
        if delay.is_zero() {
            return listeners.close();
        }
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            listeners.close();
        });
    }

    /// Reads certificates and keys again if their files have changed.
    pub(crate) fn refresh_tls(&self) {
        if let Some(store) = &self.tls {
            store.refresh();
        }
    }

    /// Whether the program that runs the server has made the application.
    pub(crate) fn is_app_given(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| objects.has_app())
    }

    /// Folders of the application's modules, which a restart imports afresh.
    pub(crate) fn code_folders(&self) -> Vec<PathBuf> {
        self.reload_dirs.iter().cloned().chain([self.worker.app.folder()]).collect()
    }
}

/// How long a stop may take before the watchdog ends the process; not known during startup.
#[derive(Debug, Default)]
pub(crate) struct StopLimit(Mutex<Option<Duration>>);

impl StopLimit {
    pub(crate) fn set(&self, limit: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    /// Whether startup is over.
    pub(crate) fn is_known(&self) -> bool {
        self.get().is_some()
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
