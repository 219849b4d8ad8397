//! The two ends of one worker: the supervisor's [`WorkerHandle`] and the worker's [`WorkerEnd`].

use std::any::Any;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Status};
use crate::machine::{Event, WorkerId};

/// What a supervisor has of a worker, whichever kind it is.
pub struct WorkerHandle {
    order: Box<dyn Fn(Order)>,
    thread: Option<JoinHandle<()>>,
    kept: Option<Box<dyn Any>>,
}

/// What can be done to a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Send(Command),
    Terminate,
    Kill,
}

impl WorkerHandle {
    pub(crate) fn new(order: impl Fn(Order) + 'static, thread: Option<JoinHandle<()>>) -> Self {
        Self { order: Box::new(order), thread, kept: None }
    }

    /// Keeps something until the worker has ended, when it is dropped.
    #[must_use]
    pub fn keeping(mut self, what: impl Any) -> Self {
        self.kept = Some(Box::new(what));
        self
    }

    pub(crate) fn order(&self, order: Order) {
        (self.order)(order);
    }

    /// Waits for the end of a thread that has reported it, and lets go of what was kept.
    pub(crate) fn join(self) {
        if let Some(thread) = self.thread {
            // How it ended was reported from inside.
            let _ = thread.join();
        }
        drop(self.kept);
    }
}

/// Where what becomes of one worker is reported to. Cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct WorkerEvents {
    pub(crate) worker: WorkerId,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

impl WorkerEvents {
    pub(crate) fn status(&self, status: Status) {
        // A supervisor that is gone does not care.
        let _ = self.events.send(Event::Status(self.worker, status));
    }

    pub(crate) fn ended(&self, how: String) {
        let _ = self.events.send(Event::Ended(self.worker, how));
    }
}

/// What a worker has of its supervisor. Cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct WorkerEnd {
    commands: Arc<watch::Sender<Option<Command>>>,
    reporter: Reporter,
}

impl WorkerEnd {
    /// The end of a worker whose reports go to `report`.
    pub fn new(report: impl Fn(Status) + Send + Sync + 'static) -> Self {
        Self { commands: Arc::new(watch::Sender::new(None)), reporter: Reporter(Arc::new(report)) }
    }

    /// Tells the worker. Only the first command counts.
    pub fn tell(&self, command: Command) {
        self.commands.send_if_modified(|told| told.is_none().then(|| *told = Some(command)).is_some());
    }

    /// Whether the worker has been told to end.
    pub fn is_told(&self) -> bool {
        self.commands.borrow().is_some()
    }

    /// Waits until the worker is told to end, and says how.
    pub async fn told(&self) -> Command {
        let mut commands = self.commands.subscribe();
        let told = commands.wait_for(Option::is_some).await.map(|command| *command);
        // The sender is this end's own: it cannot be gone.
        told.ok().flatten().unwrap_or(Command::Shutdown)
    }

    /// A reporter of statuses to the supervisor.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }
}

/// Tells the supervisor what becomes of a worker. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(Status) + Send + Sync>);

impl Reporter {
    /// Says it.
    pub fn report(&self, status: Status) {
        (self.0)(status);
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Reporter")
    }
}
