//! The two ends of one worker: the supervisor's [`WorkerHandle`] and the worker's [`WorkerEnd`].

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Message, OperatorRequest, Status};
use crate::machine::{Event, WorkerId};

/// A supervisor's handle to a worker of any kind.
pub struct WorkerHandle {
    order: Box<dyn Fn(Order)>,
    thread: Option<JoinHandle<()>>,
    kept: Option<Box<dyn Any>>,
}

/// What a supervisor can order of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Send(Message),
    Terminate,
    Kill,
}

impl WorkerHandle {
    pub(crate) fn new(order: impl Fn(Order) + 'static, thread: Option<JoinHandle<()>>) -> Self {
        Self { order: Box::new(order), thread, kept: None }
    }

    /// Keeps a value alive until the worker has ended.
    #[must_use]
    pub fn keeping(mut self, what: impl Any) -> Self {
        self.kept = Some(Box::new(what));
        self
    }

    pub(crate) fn order(&self, order: Order) {
        (self.order)(order);
    }

    /// Joins the thread of a worker that has reported its end, and drops the kept value.
    pub(crate) fn join(self) {
        if let Some(thread) = self.thread {
            // The thread has reported how it ended.
            let _ = thread.join();
        }
        drop(self.kept);
    }
}

/// Reports the events of one worker to the supervisor. Cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct WorkerEvents {
    pub(crate) worker: WorkerId,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

impl WorkerEvents {
    pub(crate) fn status(&self, status: Status) {
        // The supervisor may have ended.
        let _ = self.events.send(Event::Status(self.worker, status));
    }

    pub(crate) fn ended(&self, how: String) {
        let _ = self.events.send(Event::Ended(self.worker, how));
    }
}

/// A worker's connection to its supervisor. Cheap to clone, for any thread.
#[derive(Debug, Clone)]
pub struct WorkerEnd {
    commands: Arc<watch::Sender<Option<Command>>>,
    /// What does what the operator requests.
    handler: Arc<OnceLock<Handler>>,
    reporter: Reporter,
}

/// Does what is requested. Returns the answer, if there is one.
struct Handler(Box<dyn Fn(OperatorRequest) -> Option<String> + Send + Sync>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Handler")
    }
}

impl WorkerEnd {
    /// Makes a worker's end that passes reports to `report`.
    pub fn new(report: impl Fn(Status) + Send + Sync + 'static) -> Self {
        Self {
            commands: Arc::new(watch::Sender::new(None)),
            handler: Arc::default(),
            reporter: Reporter(Arc::new(report)),
        }
    }

    /// Lets `handler` do what the operator requests, on the thread that requests come in. Without one they are ignored.
    /// Only the first handler counts.
    pub fn handle(&self, handler: impl Fn(OperatorRequest) -> Option<String> + Send + Sync + 'static) {
        let _ = self.handler.set(Handler(Box::new(handler)));
    }

    /// Passes on a message of the supervisor.
    pub(crate) fn take(&self, message: Message) {
        match message {
            Message::Command(command) => self.tell(command),
            Message::Request(request) => {
                if let Some(text) = self.handler.get().and_then(|handler| (handler.0)(request)) {
                    self.reporter.report(Status::Answer { text });
                }
            }
        }
    }

    /// Gives the worker a command. Only the first counts.
    pub fn tell(&self, command: Command) {
        self.commands.send_if_modified(|told| told.is_none().then(|| *told = Some(command)).is_some());
    }

    /// Whether the worker has been told to end.
    pub fn is_told(&self) -> bool {
        self.commands.borrow().is_some()
    }

    /// Waits until the worker is told to end, and returns the command.
    pub async fn told(&self) -> Command {
        let mut commands = self.commands.subscribe();
        let told = commands.wait_for(Option::is_some).await.map(|command| *command);
        // This value holds the sender, so the channel is open.
        told.ok().flatten().unwrap_or(Command::Shutdown)
    }

    /// A reporter of statuses to the supervisor.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }
}

/// Reports a worker's statuses to the supervisor. Cheap to clone, for any thread.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(Status) + Send + Sync>);

impl Reporter {
    /// Reports a status.
    pub fn report(&self, status: Status) {
        (self.0)(status);
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Reporter")
    }
}
