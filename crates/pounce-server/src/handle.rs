//! Requests and orders to a running server, from any thread.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

/// What the server should do, in order of increasing urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Request {
    /// Serve.
    Run,
    /// Stop serving and execute the program again.
    Reload,
    /// Stop.
    Stop,
}

/// A change to the workers of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Replace every worker by one that imports the application afresh.
    Restart,
    /// Add a worker.
    ScaleUp,
    /// Remove a worker.
    ScaleDown,
}

/// Stops a server, and restarts its workers, from any thread.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    request: Arc<watch::Sender<Request>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl ServerHandle {
    /// A handle, and the receiver of its orders.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (sender, orders) = mpsc::unbounded_channel();
        (Self { request: Arc::new(watch::Sender::new(Request::Run)), orders: sender }, orders)
    }

    /// Asks the server to drain and stop. May be called any number of times, and before
    /// [`Server::run`](crate::Server::run), which then returns at once.
    pub fn shutdown(&self) {
        self.ask(Request::Stop);
    }

    /// Replaces every worker by one that imports the application afresh, and serves before the old one drains.
    pub fn restart_workers(&self) {
        self.order(Order::Restart);
    }

    pub(crate) fn order(&self, order: Order) {
        // Fails once the server has stopped: it has no workers then.
        let _ = self.orders.send(order);
    }

    /// Raises the request; ignored if a more urgent one has been made.
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
        // Cannot fail: this handle keeps the sender.
        let _ = requests.wait_for(|request| *request > Request::Run).await;
    }

    /// Like [`stopped`](Self::stopped), but blocks the calling thread.
    pub(crate) fn wait(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(self.stopped());
        }
    }
}
