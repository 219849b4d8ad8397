//! Requests and orders to a running server, from any thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pounce_config::LogLevel;
use pounce_net::LocalAddr;
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
    /// Run so many workers.
    ScaleTo(usize),
    /// Ask worker processes for their stacks.
    ShowStacks,
    /// Log from this level on.
    SetLogLevel(LogLevel),
}

/// How far a server is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerState {
    /// It has not bound its addresses.
    #[default]
    New,
    /// It has bound these addresses, and does not serve yet.
    Bound(Vec<LocalAddr>),
    /// It serves at these addresses.
    Serving(Vec<LocalAddr>),
    /// It has ended, or failed.
    Ended,
}

/// Stops a server, restarts its workers, and tells how far it is, from any thread.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    request: Arc<watch::Sender<Request>>,
    orders: mpsc::UnboundedSender<Order>,
    state: Arc<(Mutex<ServerState>, Condvar)>,
}

impl ServerHandle {
    /// A handle, and the receiver of its orders.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (sender, orders) = mpsc::unbounded_channel();
        let request = Arc::new(watch::Sender::new(Request::Run));
        (Self { request, orders: sender, state: Arc::default() }, orders)
    }

    /// Asks the server to drain and stop. May be called any number of times, and before
    /// [`Server::run`](crate::Server::run), which then returns at once.
    pub fn shutdown(&self) {
        self.ask(Request::Stop);
    }

    /// Whether it was asked to stop.
    pub fn is_asked_to_stop(&self) -> bool {
        self.asked() == Request::Stop
    }

    /// Replaces every worker by one that imports the application afresh, and serves before the old one drains.
    pub fn restart_workers(&self) {
        self.order(Order::Restart);
    }

    /// How far the server is.
    pub fn state(&self) -> ServerState {
        self.lock_state().clone()
    }

    /// Waits until the server serves or has ended, at most so long, and tells how far it is then. Blocks.
    pub fn wait_until_serving(&self, at_most: Duration) -> ServerState {
        let waits = |state: &mut ServerState| matches!(state, ServerState::New | ServerState::Bound(_));
        let waited = self.state.1.wait_timeout_while(self.lock_state(), at_most, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(crate) fn set_state(&self, state: ServerState) {
        *self.lock_state() = state;
        self.state.1.notify_all();
    }

    /// The server serves.
    pub(crate) fn set_serving(&self) {
        let mut state = self.lock_state();
        if let ServerState::Bound(addresses) = &mut *state {
            *state = ServerState::Serving(std::mem::take(addresses));
        }
        self.state.1.notify_all();
    }

    fn lock_state(&self) -> MutexGuard<'_, ServerState> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
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
