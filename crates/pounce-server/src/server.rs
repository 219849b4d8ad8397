//! The public face: a server that can be run once, and stopped from any thread.

use std::sync::Arc;

use pounce_config::ServerConfig;
use tokio::sync::{mpsc, watch};

use crate::error::ServerError;
use crate::life;

/// What the server is asked to do, in the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Request {
    /// Serve.
    Run,
    /// Stop serving and execute the program again.
    Reload,
    /// Stop.
    Stop,
}

/// What a running server is asked to do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Replace every worker by one of fresh code.
    Restart,
    /// One worker more.
    ScaleUp,
    /// One worker less.
    ScaleDown,
}

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
        let (sender, orders) = mpsc::unbounded_channel();
        let handle = ServerHandle { request: Arc::new(watch::Sender::new(Request::Run)), orders: sender };
        Self { config, handle, orders }
    }

    /// What stops the server, for other threads to keep.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until the server is stopped, by a signal or by its handle. Blocks. Once per process, because
    /// CPython is started and ended by it; the calling thread becomes Python's main thread.
    ///
    /// A server with worker processes executes its own program for each of them: such a program begins with
    /// [`worker_from_arguments`](crate::worker_from_arguments).
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn run(self) -> Result<(), ServerError> {
        life::run(self.config, self.handle, self.orders)
    }
}

/// Stops a server, and restarts its workers, from any thread.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    request: Arc<watch::Sender<Request>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl ServerHandle {
    /// Asks the server to drain and stop. May be called any number of times, and before
    /// [`Server::run`], which then returns at once.
    pub fn shutdown(&self) {
        self.ask(Request::Stop);
    }

    /// Replaces every worker by one that imports the application afresh, and serves before the old one drains.
    pub fn restart_workers(&self) {
        self.order(Order::Restart);
    }

    pub(crate) fn order(&self, order: Order) {
        // A server that has stopped has no workers any more.
        let _ = self.orders.send(order);
    }

    /// Raises the request; a lesser one is not heard any more.
    pub(crate) fn ask(&self, request: Request) {
        self.request.send_if_modified(|current| {
            let more = request > *current;
            if more {
                *current = request;
            }
            more
        });
    }

    pub(crate) fn asked(&self) -> Request {
        *self.request.borrow()
    }

    /// Waits until the server is asked to stop serving.
    pub(crate) async fn stopped(&self) {
        let mut requests = self.request.subscribe();
        // The sender is this handle's own: it cannot be gone.
        let _ = requests.wait_for(|request| *request > Request::Run).await;
    }

    /// The same, for a thread that has nothing else to do.
    pub(crate) fn wait(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(self.stopped());
        }
    }
}

#[cfg(test)]
mod tests {
    use pounce_config::Layers;

    use super::*;

    #[test]
    fn a_server_that_was_stopped_before_it_ran_returns_at_once() {
        let config = Layers::new().command_line([("app", ["nowhere:app"])]).build();
        let server = Server::new(config.expect("valid"));
        server.handle().shutdown();
        server.handle().shutdown();
        // It would fail had it gone as far as to import the application.
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
