//! Starting workers in each mode, and the state they share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use pounce_asgi::python::{self, EventLoop, Interpreter, PythonApp, SetAside, Stacks};
use pounce_config::{Handover, LifespanMode, LifespanScope, ListenerHandle, Secret, TlsHandover, WorkerPlan};
use pounce_metrics::Place;
use pounce_net::{LoadTable, Reservation};
use pounce_supervisor::process::{self, Launch};
use pounce_supervisor::{
    Mode, Notice, Spawn, Status, WorkerEnd, WorkerEvents, WorkerHandle, Workforce, thread,
};

use super::fork_servers::ForkServers;
use super::restarts::Restarts;
use crate::bootstrap::{Opened, Sockets, bootstrap};
use crate::context::ServerContext;
use crate::error::ServerError;
use crate::handle::Request;
use crate::host::Program;
use crate::serve::{Job, WorkerContext, load, serve};
use crate::watchdog::GRACE;
use crate::worker_process::ARGUMENT;
use crate::{lifespan, listeners, watchdog};

/// The workforce of a server.
pub(super) struct Workers {
    server: Rc<ServerContext>,
    mode: Mode,
    python: Option<OwnPython>,
    generations: RefCell<BTreeMap<u32, Generation>>,
    /// The application whose lifespan the server runs, if each worker loads its own copy.
    lifespan: RefCell<Option<PythonApp>>,
    /// The lifespan's state, as far as JSON can carry it to the workers.
    state: RefCell<Option<serde_json::Map<String, serde_json::Value>>>,
    failure: RefCell<Option<ServerError>>,
    /// The table in which workers that share sockets publish their connection counts.
    loads: Option<LoadTable>,
    restarts: Restarts,
    /// The process of each generation that workers are forked from.
    fork_servers: ForkServers,
}

/// A worker's places in memory that all share; given up when it has ended.
struct Places {
    load: Option<Reservation>,
    metrics: Option<Place>,
}

/// Python in the server's own process.
struct OwnPython {
    interpreter: Arc<Interpreter>,
    event_loop: EventLoop,
    stacks: Option<Arc<Stacks>>,
    /// Whether the GIL is known to be on.
    has_gil: Cell<bool>,
}

/// What the threads of one generation share.
struct Generation {
    app: Option<Rc<PythonApp>>,
    /// The modules of the previous generation, put back if this one never serves.
    modules: Option<SetAside>,
}

impl Workers {
    pub(super) fn new(
        server: &Rc<ServerContext>,
        mode: Mode,
        python: Option<(Arc<Interpreter>, EventLoop)>,
    ) -> Self {
        let python = python.map(|(interpreter, event_loop)| {
            let stacks = watchdog::stacks(&event_loop);
            let has_gil = Cell::new(Interpreter::starts_with_gil());
            OwnPython { interpreter, event_loop, stacks, has_gil }
        });
        // Without a table, workers accept regardless of each other's load.
        let loads = LoadTable::new().ok().filter(|_| !server.workers.reuse_port);
        loads.iter().for_each(|table| python::disown(table.as_fd()));
        Self {
            server: Rc::clone(server),
            mode,
            python,
            generations: RefCell::default(),
            lifespan: RefCell::default(),
            state: RefCell::default(),
            failure: RefCell::default(),
            loads,
            restarts: Restarts::default(),
            fork_servers: ForkServers::default(),
        }
    }

    /// Why the first generation could not be prepared.
    pub(super) fn take_failure(&self) -> Option<ServerError> {
        self.failure.take()
    }

    /// Shuts down the lifespan that the server runs for all workers.
    pub(super) async fn close(&self) {
        let app = self.lifespan.take();
        if let Some(app) = app {
            lifespan::shut_down(&app, self.server.worker.lifecycle.timeout_startup).await;
        }
    }

    fn scope(&self) -> LifespanScope {
        self.server.worker.lifecycle.lifespan_scope
    }

    /// Imports and starts the application that all threads of a generation share.
    async fn prepare_threads(&self, python: &OwnPython, generation: u32) -> Result<(), ServerError> {
        let config = &self.server.worker;
        let folders = self.server.code_folders();
        let modules = (generation > 0).then(|| python.event_loop.set_modules_aside(&folders));
        let prepared = async {
            if self.scope() == LifespanScope::Worker {
                return Ok(None);
            }
            let app =
                load(&python.event_loop, config, self.server.objects.as_deref(), config.lifecycle.lifespan)?;
            lifespan::start(&app, config.lifecycle.timeout_startup).await?;
            Ok(Some(Rc::new(app)))
        };
        match prepared.await {
            Ok(app) => {
                python.event_loop.settle();
                self.generations.borrow_mut().insert(generation, Generation { app, modules });
                Ok(())
            }
            Err(error) => {
                if let Some(modules) = modules {
                    python.event_loop.put_modules_back(modules, &folders);
                }
                Err(error)
            }
        }
    }

    /// Runs the lifespan once for workers that load their own copies of the application.
    async fn prepare_lifespan(&self, python: &OwnPython) -> Result<(), ServerError> {
        let config = &self.server.worker;
        if config.lifecycle.lifespan == LifespanMode::Off {
            return Ok(());
        }
        let app = load(&python.event_loop, config, None, config.lifecycle.lifespan)?;
        lifespan::start(&app, config.lifecycle.timeout_startup).await?;
        let (json, rest) =
            app.state_json().map_err(ServerError::State)?.unwrap_or_else(|| ("{}".into(), vec![]));
        if !rest.is_empty() {
            tracing::warn!(
                target: "pounce",
                "the lifespan's state has keys that cannot be handed to the workers, because JSON cannot carry \
                 their values: {}; with --lifespan-scope worker each worker makes its own",
                rest.join(", ")
            );
        }
        let state = serde_json::from_str(&json).map_err(|error| ServerError::State(error.to_string()))?;
        self.state.replace(Some(state));
        self.lifespan.replace(Some(app));
        Ok(())
    }

    /// Starts the process that the workers of a generation are forked from, if they are.
    async fn prepare_forks(&self, generation: u32) -> Result<(), ServerError> {
        if self.mode != Mode::Process || !self.server.workers.preload {
            return Ok(());
        }
        let spawn = Spawn { slot: 0, generation, max_requests: None, listeners: Vec::new() };
        let plan = self.plan(&spawn, Vec::new());
        self.fork_servers.start(&self.server, generation, plan).await
    }

    fn plan(&self, spawn: &Spawn, handles: Vec<ListenerHandle>) -> WorkerPlan {
        let mut config = (*self.server.worker).clone();
        config.log.level = self.server.log_level.get().unwrap_or(config.log.level);
        let mut plan = WorkerPlan::new(config, spawn.slot, spawn.generation, handles);
        plan.max_requests = spawn.max_requests;
        plan.tls = self.server.tls.as_ref().map(|store| {
            let secret = store.secret();
            let (period, bytes) = secret.parts();
            TlsHandover { ticket_secret: (period, *bytes), texts: store.texts() }
        });
        plan.lifespan_state = self.state.borrow().clone();
        plan.sys_path = self.python.as_ref().map(|python| python.event_loop.sys_path()).unwrap_or_default();
        plan
    }

    /// Warns, once, if an imported module has turned the GIL on; it stays on.
    fn look_at_gil(&self) {
        let Some(python) = self.python.as_ref().filter(|_| self.mode == Mode::Thread) else { return };
        if python.event_loop.has_gil() && !python.has_gil.replace(true) {
            tracing::warn!(
                target: "pounce",
                "a module that the application imports has turned the GIL on: threads take turns, and use one CPU \
                 together; --worker-mode process uses all, and PYTHON_GIL=0 keeps the GIL off if the module can do \
                 without"
            );
        }
    }

    /// Returns what creates the context of a worker, in the thread about to start.
    fn context(&self, python: &OwnPython) -> impl FnOnce(WorkerEnd) -> WorkerContext + Send + use<> {
        let (watchdog, stacks) = (self.server.watchdog.clone(), python.stacks.clone());
        |end| WorkerContext { end, watchdog, stacks, alone: Arc::default() }
    }

    fn spawn_process(&self, spawn: Spawn, places: &Places, events: WorkerEvents) -> io::Result<WorkerHandle> {
        let mut plan = self.plan(&spawn, listeners::handles(&spawn.listeners));
        let mut inherited: Vec<OwnedFd> = spawn.listeners.into_iter().map(OwnedFd::from).collect();
        if let Some(place) = &places.load {
            let memory = place.as_fd().try_clone_to_owned()?;
            plan.load = Some(Handover { fd: memory.as_raw_fd(), place: place.place() });
            inherited.push(memory);
        }
        if let Some(place) = &places.metrics {
            let memory = place.as_fd().try_clone_to_owned()?;
            plan.metrics = Some(Handover { fd: memory.as_raw_fd(), place: place.number() });
            inherited.push(memory);
        }
        let plan = plan.to_json().map_err(io::Error::other)?;
        if let Some(worker) = self.fork_servers.fork(spawn.generation, &plan, &inherited, &events) {
            return Ok(worker);
        }
        let mut program = self.server.host.worker()?;
        program.arguments.push(ARGUMENT.into());
        let Program { path, arguments } = program;
        process::start(Launch { program: path, arguments, plan: plan.into(), inherited }, events)
    }

    fn spawn_thread(
        &self,
        python: &OwnPython,
        spawn: Spawn,
        places: &Places,
        events: WorkerEvents,
    ) -> io::Result<WorkerHandle> {
        let generations = self.generations.borrow();
        let prepared = generations.get(&spawn.generation);
        let shared = prepared.and_then(|generation| generation.app.as_ref()).map(|app| app.share());
        let (interpreter, config) = (Arc::clone(&python.interpreter), Arc::clone(&self.server.worker));
        let object = self.server.objects.clone();
        let context = self.context(python);
        let Spawn { slot, generation, max_requests, listeners } = spawn;
        let job = Job {
            config,
            worker_id: slot,
            generation,
            listeners,
            max_requests,
            load: places.load.as_ref().map(Reservation::load),
            metrics: places.metrics.as_ref().map(Place::metrics),
            tls: self.server.tls.clone(),
        };
        thread::start(format!("pounce-{slot}"), events, move |end| {
            let context = context(end.clone());
            let ran = python::run(&interpreter, job.config.app.event_loop, async move |event_loop| {
                context.end.reporter().report(Status::Started);
                let app = match shared {
                    Some(shared) => PythonApp::adopt(&event_loop, shared, &job.config.app)?,
                    None => load(&event_loop, &job.config, object.as_deref(), job.config.lifecycle.lifespan)?,
                };
                serve(&event_loop, Rc::new(app), job, &context).await
            });
            ended(&end, ran.map_err(ServerError::from).flatten())
        })
    }

    fn spawn_subinterpreter(
        &self,
        python: &OwnPython,
        spawn: Spawn,
        places: &Places,
        events: WorkerEvents,
    ) -> io::Result<WorkerHandle> {
        let event_loop = self.server.worker.app.event_loop;
        let text = Secret::from(self.plan(&spawn, Vec::new()).to_json().map_err(io::Error::other)?);
        let load = places.load.as_ref().map(Reservation::load);
        let metrics = places.metrics.as_ref().map(Place::metrics);
        let sockets = Sockets::Own(Opened { listeners: spawn.listeners, load, metrics });
        let interpreter = Arc::clone(&python.interpreter);
        let context = self.context(python);
        thread::start(format!("pounce-{}", spawn.slot), events, move |end| {
            let context = context(end.clone());
            let ran = interpreter.with_subinterpreter(|own, alone| {
                let ran = python::run(own, event_loop, async move |event_loop| {
                    let plan = WorkerPlan::from_json(text.reveal()).map_err(ServerError::Plan);
                    drop(text);
                    bootstrap(&event_loop, plan?, sockets, Some(alone), &context).await
                });
                ran.map_err(ServerError::from).flatten()
            });
            ended(&end, ran.map_err(ServerError::from).flatten())
        })
    }
}

/// Reports how a worker thread ended.
fn ended(end: &WorkerEnd, worked: Result<(), ServerError>) -> String {
    match worked {
        Ok(()) => "it ended".to_owned(),
        Err(error) => {
            end.reporter().report(Status::Error { detail: error.with_hint() });
            error.to_string()
        }
    }
}

impl Workforce for Workers {
    async fn prepare(&self, generation: u32) -> Result<(), String> {
        if generation == 0 && self.python.is_some() {
            self.server.watchdog.arm_startup(self.server.worker.lifecycle.timeout_startup);
        }
        let prepared = match &self.python {
            Some(python) if self.mode == Mode::Thread => self.prepare_threads(python, generation).await,
            Some(python) if self.scope() == LifespanScope::Server && generation == 0 => {
                self.prepare_lifespan(python).await
            }
            _ => Ok(()),
        };
        let prepared = match prepared {
            Ok(()) => self.prepare_forks(generation).await,
            failed => failed,
        };
        let lifecycle = &self.server.worker.lifecycle;
        if generation == 0 && self.server.handle.asked() == Request::Run {
            // Not during a stop, which has set another deadline.
            self.server.watchdog.disarm();
        }
        let limit = lifecycle.stop_timeout() + lifecycle.timeout_startup * 2 + 5 * GRACE;
        self.server.limit.set(limit);
        prepared.map_err(|error| {
            let why = error.with_hint();
            if generation == 0 {
                self.failure.replace(Some(error));
            }
            why
        })
    }

    async fn release(&self, generation: u32) {
        self.fork_servers.end(generation);
        let (released, newest) = {
            let mut generations = self.generations.borrow_mut();
            let released = generations.remove(&generation);
            (released, generations.keys().all(|other| *other < generation))
        };
        let (Some(Generation { app, modules }), Some(python)) = (released, &self.python) else { return };
        if let Some(app) = app {
            lifespan::shut_down(&app, self.server.worker.lifecycle.timeout_startup).await;
        }
        if self.server.handle.asked() != Request::Run {
            return;
        }
        if let (Some(modules), true) = (modules, newest) {
            // The generation never served: imports find the previous generation's modules again.
            python.event_loop.put_modules_back(modules, &self.server.code_folders());
        }
        python.event_loop.settle();
    }

    fn spawn(&self, spawn: Spawn, events: WorkerEvents) -> io::Result<WorkerHandle> {
        self.server.refresh_tls();
        let metrics = self.server.metrics.as_ref();
        if let (Some(metrics), Some(why)) = (metrics, self.restarts.started(spawn.slot, spawn.generation)) {
            metrics.restarted(why);
        }
        let places = Places {
            load: self.loads.as_ref().and_then(LoadTable::reserve),
            metrics: metrics.and_then(|metrics| metrics.take_place(spawn.slot, spawn.generation)),
        };
        let worker = match (&self.python, self.mode) {
            (Some(python), Mode::Thread) => self.spawn_thread(python, spawn, &places, events),
            (Some(python), Mode::Subinterpreter) => self.spawn_subinterpreter(python, spawn, &places, events),
            _ => self.spawn_process(spawn, &places, events),
        };
        Ok(worker?.keeping(places))
    }

    fn notify(&self, notice: Notice) {
        if matches!(notice, Notice::Ready | Notice::Reloaded) {
            self.look_at_gil();
        }
        if let Notice::Answer { slot, text } = notice {
            return self.server.answers.give(slot, text);
        }
        self.restarts.note(&notice);
        self.server.announcer.notice(notice);
    }
}
