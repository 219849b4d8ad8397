//! The public API: a server that can be run once.

use std::sync::Arc;

use pounce_asgi::python::ProgramObjects;
use pounce_config::{LogSource, ServerConfig};
use tokio::sync::mpsc;

use crate::error::ServerError;
use crate::handle::{Order, ServerHandle, ServerState};
use crate::host::Host;
use crate::life;

/// A server, configured and not yet running.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    /// What the program that runs the server has made.
    objects: Option<Arc<ProgramObjects>>,
    host: Arc<dyn Host>,
    handle: ServerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Server {
    /// A server for a configuration, as a part of the program that `host` describes.
    pub fn new(config: ServerConfig, host: impl Host) -> Self {
        let (handle, orders) = ServerHandle::new();
        Self { config, objects: None, host: Arc::new(host), handle, orders }
    }

    /// Uses these objects rather than what the configuration names. The caller keeps them until the server has ended, and
    /// drops them attached.
    #[must_use]
    pub fn with_objects(mut self, objects: Arc<ProgramObjects>) -> Self {
        if objects.log_config.is_some() {
            self.config.log.python = Some(LogSource::Program);
        }
        self.objects = Some(objects);
        self
    }

    /// A handle by which other threads stop the server.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until a signal or the handle stops the server. Blocks. With [`Embedding`](crate::Embedding), at most once
    /// per process: it starts and finalizes CPython, and the calling thread becomes Python's main thread.
    ///
    /// A server with worker processes executes the program that [`Host::worker`] names for each of them.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn run(self) -> Result<(), ServerError> {
        let handle = self.handle.clone();
        let ran = life::run(self.config, self.objects, self.host, self.handle, self.orders);
        handle.set_state(ServerState::Ended);
        ran
    }
}

#[cfg(test)]
mod tests {
    use pounce_config::Layers;

    use super::*;
    use crate::Embedding;
    use crate::handle::Request;

    #[test]
    fn a_server_that_was_stopped_before_it_ran_returns_at_once() {
        let config = Layers::new().command_line([("app", ["nowhere:app"])]).build();
        let server = Server::new(config.expect("valid"), Embedding);
        server.handle().shutdown();
        server.handle().shutdown();
        // Importing the application would have failed.
        assert!(server.run().is_ok());
    }

    #[test]
    fn a_reload_does_not_take_a_stop_back() {
        let config = Layers::new().command_line([("app", ["nowhere:app"])]).build();
        let handle = Server::new(config.expect("valid"), Embedding).handle();
        handle.ask(Request::Reload);
        assert_eq!(handle.asked(), Request::Reload);
        handle.shutdown();
        handle.ask(Request::Reload);
        assert_eq!(handle.asked(), Request::Stop);
    }
}
