//! The driver: runs a [`Machine`] against real workers.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pounce_net::Listener;
use tokio::sync::mpsc;

use crate::control::{Message, OperatorRequest};
use crate::machine::{Action, Event, Machine, Notice, Outcome, WorkerId};
use crate::policy::Policy;
use crate::worker::{Order, WorkerEvents, WorkerHandle};

/// The kind of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A child process.
    Process,
    /// A thread of the one interpreter.
    Thread,
    /// A thread with its own interpreter.
    Subinterpreter,
}

/// How the server starts workers and notifies the operator.
pub trait Workforce: 'static {
    /// Prepares the resources that the workers of a generation share.
    ///
    /// # Errors
    /// Why the generation cannot be prepared, for the operator.
    fn prepare(&self, generation: u32) -> impl Future<Output = Result<(), String>>;

    /// Releases a generation's resources.
    fn release(&self, generation: u32) -> impl Future<Output = ()>;

    /// Starts a worker, by [`process::start`](crate::process::start) or [`thread::start`](crate::thread::start).
    ///
    /// # Errors
    /// The worker cannot be started.
    fn spawn(&self, spawn: Spawn, events: WorkerEvents) -> io::Result<WorkerHandle>;

    /// Notifies the operator.
    fn notify(&self, notice: Notice);
}

/// A worker to start.
#[derive(Debug)]
pub struct Spawn {
    /// Its slot, from 0.
    pub slot: u32,
    /// Its generation, from 0.
    pub generation: u32,
    /// Requests after which it sends a heartbeat, so that it is replaced.
    pub max_requests: Option<NonZeroU64>,
    /// The listeners it accepts from.
    pub listeners: Vec<Listener>,
}

/// The listening sockets that workers get duplicates of.
pub trait SlotListeners {
    /// Duplicates for a worker of the slot.
    ///
    /// # Errors
    /// The process is out of descriptors, or an address cannot be bound again.
    fn open_slot(&self, slot: u32) -> io::Result<Vec<Listener>>;

    /// No worker accepts in this slot any more: closes the listeners that only it has.
    fn close_slot(&self, slot: u32);
}

/// Runs workers.
#[derive(Debug)]
pub struct Supervisor {
    mode: Mode,
    policy: Policy,
    inbox: mpsc::UnboundedReceiver<Event>,
    handle: SupervisorHandle,
}

/// Controls a supervisor from any thread. Cheap to clone; no method waits.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    events: mpsc::UnboundedSender<Event>,
    count: Arc<AtomicUsize>,
}

impl SupervisorHandle {
    /// How many workers are asked for.
    pub fn worker_count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Drains the workers and stops.
    pub fn shutdown(&self) {
        self.send(Event::Shutdown);
    }

    /// Replaces every worker with one of a new generation, which serves before the old one drains.
    pub fn restart_workers(&self) {
        self.send(Event::Reload);
    }

    /// One worker more.
    pub fn add_worker(&self) {
        self.send(Event::ScaleUp);
    }

    /// One worker less; the last one stays.
    pub fn remove_worker(&self) {
        self.send(Event::ScaleDown);
    }

    /// So many workers, at least one.
    pub fn scale_to(&self, count: usize) {
        self.send(Event::ScaleTo(count));
    }

    /// Requests something of every worker; see [`Notice::Answer`].
    pub fn request(&self, request: OperatorRequest) {
        self.send(Event::Request(request));
    }

    fn send(&self, event: Event) {
        // A supervisor that has ended has nothing left to do.
        let _ = self.events.send(event);
    }
}

impl Supervisor {
    /// A supervisor that has started nothing yet.
    pub fn new(mode: Mode, policy: Policy) -> Self {
        let (events, inbox) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(policy.workers));
        Self { mode, policy, inbox, handle: SupervisorHandle { events, count } }
    }

    /// The kind of its workers.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How many workers are asked for.
    pub fn worker_count(&self) -> usize {
        self.handle.worker_count()
    }

    /// A handle that controls it while it runs.
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// As [`SupervisorHandle::shutdown`].
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    /// As [`SupervisorHandle::restart_workers`].
    pub fn restart_workers(&self) {
        self.handle.restart_workers();
    }

    /// Runs workers on `listeners` until it is told to stop or cannot go on. Call inside a tokio `LocalRuntime`.
    /// Workers that could not be made to end are left behind; these are threads, never processes.
    pub async fn run<W: Workforce>(
        mut self,
        workforce: Rc<W>,
        listeners: Arc<dyn SlotListeners>,
    ) -> (Outcome, Leftover) {
        let mut machine = Machine::new(self.policy.clone());
        let mut workers: HashMap<WorkerId, WorkerHandle> = HashMap::new();
        let mut actions = machine.start();
        loop {
            for action in actions {
                if let Action::Exit(outcome) = action {
                    return (outcome, Leftover(workers.len()));
                }
                self.act(action, &workforce, &*listeners, &mut workers);
            }
            self.handle.count.store(machine.worker_count(), Ordering::Relaxed);
            let event = self.next(machine.deadline()).await;
            if let Event::Ended(worker, _) = &event
                && let Some(worker) = workers.remove(worker)
            {
                worker.join();
            }
            actions = machine.handle(Instant::now(), event);
        }
    }

    async fn next(&mut self, deadline: Option<Instant>) -> Event {
        let received = match deadline {
            // The supervisor holds both ends of the channel, so it is never closed.
            None => self.inbox.recv().await,
            Some(at) => tokio::time::timeout_at(at.into(), self.inbox.recv()).await.unwrap_or(None),
        };
        received.unwrap_or(Event::Tick)
    }

    fn act<W: Workforce>(
        &self,
        action: Action,
        workforce: &Rc<W>,
        listeners: &dyn SlotListeners,
        workers: &mut HashMap<WorkerId, WorkerHandle>,
    ) {
        let order = |worker: WorkerId, order| {
            if let Some(worker) = workers.get(&worker) {
                worker.order(order);
            }
        };
        match action {
            Action::Prepare(generation) => {
                let (workforce, handle) = (Rc::clone(workforce), self.handle.clone());
                tokio::task::spawn_local(async move {
                    handle.send(match workforce.prepare(generation).await {
                        Ok(()) => Event::Prepared(generation),
                        Err(why) => Event::NotPrepared(generation, why),
                    });
                });
            }
            Action::Release(generation) => {
                let (workforce, handle) = (Rc::clone(workforce), self.handle.clone());
                tokio::task::spawn_local(async move {
                    workforce.release(generation).await;
                    handle.send(Event::Released(generation));
                });
            }
            Action::Spawn { worker, slot, generation, max_requests } => {
                let events = WorkerEvents { worker, events: self.handle.events.clone() };
                let spawned = listeners.open_slot(slot).and_then(|listeners| {
                    let spawn = Spawn { slot, generation, max_requests, listeners };
                    workforce.spawn(spawn, events.clone())
                });
                match spawned {
                    Ok(handle) => drop(workers.insert(worker, handle)),
                    Err(error) => events.ended(format!("it could not be started: {error}")),
                }
            }
            Action::Send(worker, command) => order(worker, Order::Send(Message::Command(command))),
            Action::Request(worker, request) => order(worker, Order::Send(Message::Request(request))),
            Action::Terminate(worker) => order(worker, Order::Terminate),
            Action::Kill(worker) => order(worker, Order::Kill),
            Action::CloseSlot(slot) => listeners.close_slot(slot),
            Action::Notify(notice) => workforce.notify(notice),
            Action::Exit(_) => {}
        }
    }
}

/// The number of workers left behind because they did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover(pub usize);
