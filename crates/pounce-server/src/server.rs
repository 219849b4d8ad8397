//! The public API: a server that can be run once.

use pounce_config::ServerConfig;
use tokio::sync::mpsc;

use crate::error::ServerError;
use crate::handle::{Order, ServerHandle};
use crate::life;

/// A server, configured and not yet running.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    handle: ServerHandle,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Server {
    /// A server for a configuration.
    pub fn new(config: ServerConfig) -> Self {
        let (handle, orders) = ServerHandle::new();
        Self { config, handle, orders }
    }

    /// A handle by which other threads stop the server.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until a signal or the handle stops the server. Blocks. Call once per process, because it starts and
    /// ends CPython; the calling thread becomes Python's main thread.
    ///
    /// A server with worker processes executes its own program for each of them: such a program must begin with
    /// [`worker_from_arguments`](crate::worker_from_arguments).
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn run(self) -> Result<(), ServerError> {
        life::run(self.config, self.handle, self.orders)
    }
}

#[cfg(test)]
mod tests {
    use pounce_config::Layers;

    use super::*;
    use crate::handle::Request;

    #[test]
    fn a_server_that_was_stopped_before_it_ran_returns_at_once() {
        let config = Layers::new().command_line([("app", ["nowhere:app"])]).build();
        let server = Server::new(config.expect("valid"));
        server.handle().shutdown();
        server.handle().shutdown();
        // Importing the application would have failed.
        assert!(server.run().is_ok());
    }

    #[test]
    fn a_reload_does_not_take_a_stop_back() {
        let config = Layers::new().command_line([("app", ["nowhere:app"])]).build();
        let handle = Server::new(config.expect("valid")).handle();
        handle.ask(Request::Reload);
        assert_eq!(handle.asked(), Request::Reload);
        handle.shutdown();
        handle.ask(Request::Reload);
        assert_eq!(handle.asked(), Request::Stop);
    }
}
