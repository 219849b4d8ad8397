//! What a running server is asked to do, from any thread.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

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

/// Stops a server, and restarts its workers, from any thread.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    request: Arc<watch::Sender<Request>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl ServerHandle {
    /// A handle, and what gets its orders.
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
