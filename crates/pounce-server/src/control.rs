//! The control socket: how an operator looks at a running server and changes it, over HTTP on a Unix socket.

mod answers;
mod app;
mod view;

use std::cell::Cell;
use std::sync::Arc;

use pounce_config::ServerConfig;
use pounce_metrics::Rows;
use pounce_net::Listener;
use pounce_worker::Settings;
use tokio::sync::watch;

use crate::announce::Reloads;
use crate::error::ServerError;
use crate::handle::ServerHandle;
use crate::listeners;
use crate::side_server::SideServer;
use crate::watchdog::Watchdog;
pub(crate) use answers::Answers;

/// What the control socket acts on.
pub(crate) struct Subject {
    pub(crate) handle: ServerHandle,
    pub(crate) rows: Rows,
    pub(crate) watchdog: Watchdog,
    pub(crate) answers: Arc<Answers>,
    pub(crate) reloads: watch::Receiver<Reloads>,
    /// What the server serves, where and how.
    pub(crate) serving: String,
    /// Whether there is a supervisor, which can change the number of workers.
    pub(crate) has_supervisor: bool,
    /// Whether workers are processes.
    pub(crate) has_processes: bool,
    /// Whether the application was given as an object, which cannot be imported again.
    pub(crate) is_app_given: bool,
    /// Whether a request for a reload waits for its end.
    pub(crate) is_reloading: Cell<bool>,
    /// Begins to stop the server.
    pub(crate) stop: Box<dyn Fn() + Send>,
}

/// A control socket that nobody serves yet.
pub(crate) struct Control {
    listeners: Vec<Listener>,
}

impl Control {
    /// Binds the socket, if one is configured. Only the server's user may connect.
    ///
    /// # Errors
    /// It cannot be bound.
    pub(crate) fn open(config: &ServerConfig) -> Result<Option<Self>, ServerError> {
        let Some(path) = &config.control else { return Ok(None) };
        let listeners = listeners::open(&format!("unix:{}", path.display()), Some(0o600))?;
        Ok(Some(Self { listeners }))
    }

    /// Serves it.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn serve(self, subject: Subject) -> Result<SideServer, ServerError> {
        let settings = Settings { own_user_only: true, ..Settings::default() };
        SideServer::start("control", self.listeners, settings, || app::answers(subject))
    }
}
