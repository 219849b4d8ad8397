//! What the parts of a running server share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pounce_config::{WorkerConfig, WorkersConfig};
use pounce_worker::tls::TlsStore;

use crate::announce::Announcer;
use crate::handle::ServerHandle;
use crate::host::Host;
use crate::listeners::Listeners;
use crate::watchdog::Watchdog;

/// What the server has for as long as it runs.
pub(crate) struct ServerContext {
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) workers: WorkersConfig,
    /// Folders to watch for changes, besides the application's.
    pub(crate) reload_dirs: Vec<PathBuf>,
    /// The program that the server is part of.
    pub(crate) host: Arc<dyn Host>,
    pub(crate) handle: ServerHandle,
    pub(crate) announcer: Announcer,
    pub(crate) watchdog: Watchdog,
    pub(crate) listeners: Arc<Listeners>,
    /// What connections are encrypted with.
    pub(crate) tls: Option<Arc<TlsStore>>,
    pub(crate) limit: Arc<StopLimit>,
}

impl ServerContext {
    /// Looks whether there are new certificates.
    pub(crate) fn refresh_tls(&self) {
        if let Some(store) = &self.tls {
            store.refresh();
        }
    }

    /// Folders whose modules are the application's own: a restart imports them afresh.
    pub(crate) fn code_folders(&self) -> Vec<PathBuf> {
        self.reload_dirs.iter().cloned().chain([self.worker.app.folder()]).collect()
    }
}

/// How long a stop may take until the process ends without it: what can be known of that so far.
#[derive(Debug, Default)]
pub(crate) struct StopLimit(Mutex<Option<Duration>>);

impl StopLimit {
    pub(crate) fn set(&self, limit: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    /// Whether anything has served yet.
    pub(crate) fn is_known(&self) -> bool {
        self.get().is_some()
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
