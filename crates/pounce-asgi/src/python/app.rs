//! A Python application as the contract's [`App`].

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use pounce_config::{AppConfig, Interface, LifespanMode};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::{App, ConnectionInfo, Exchange, LifespanError, Peer, RequestHead, Socket};

use super::app_coroutine::AppCoroutine;
use super::asyncio::{Asyncio, attached};
use super::call::{Call, CallState};
use super::callback::Callback;
use super::context::Context;
use super::event_loop::EventLoop;
use super::function::{Function, Receive, Send};
use super::load_error::{LoadError, load_error};
use super::memory;
use super::object::owned;
use super::program_objects::ProgramObjects;
use super::scope::{ScopeConnection, ScopeTemplate};
use super::side::Side;
use super::types::Types;

/// An application for another thread of the same interpreter. Must be dropped attached.
pub struct SharedApp {
    app: Py<PyAny>,
    asgi2: bool,
    plain: bool,
    state: Option<Py<PyDict>>,
}

/// A Python application, bound to the loop that loaded it.
pub struct PythonApp {
    asyncio: Rc<Asyncio>,
    types: Types,
    app: Py<PyAny>,
    asgi2: bool,
    /// Whether a call only makes a coroutine and runs no code of the application.
    plain: bool,
    template: ScopeTemplate,
    lifespan_mode: LifespanMode,
    lifespan: RefCell<Option<Py<PyAny>>>,
    /// The lifespan's state, once its startup is complete.
    state: RefCell<Option<Py<PyDict>>>,
    debug: bool,
}

impl PythonApp {
    /// Imports the application that `config` names, unless `object` has it. `lifespan` overrules what the
    /// configuration says of that, for applications whose lifespan somebody else runs.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(
        event_loop: &EventLoop,
        config: &AppConfig,
        object: Option<&ProgramObjects>,
        lifespan: LifespanMode,
    ) -> Result<Self, LoadError> {
        let py = attached();
        let asyncio = Rc::clone(&event_loop.asyncio);
        let glue = asyncio.glue.bind(py);
        let loaded = match object.and_then(|object| object.app.as_ref()) {
            Some(app) => glue.call_method1("check_app", (app, &*config.target, config.factory)),
            None => {
                let folder = config.folder();
                glue.call_method1("load", (&*config.target, folder.as_os_str(), config.factory))
            }
        };
        // The loop must look at what the import left ready or scheduled.
        asyncio.driver.look();
        let app = loaded.map_err(|error| load_error(py, &asyncio, &error))?;
        let made = (|| {
            let asgi2 = match config.interface {
                Interface::Auto => asyncio.glue.bind(py).call_method1("is_asgi2", (&app,))?.extract()?,
                interface => interface == Interface::Asgi2,
            };
            let (app, asgi2) = match object.and_then(|object| object.wrap.as_ref()) {
                Some(wrap) => (wrap.bind(py).call1((app, asgi2))?, false),
                None => (app, asgi2),
            };
            let template = ScopeTemplate::new(py, &config.root_path, &config.extensions)?;
            let plain =
                asyncio.glue.bind(py).call_method1("begins_with_its_coroutine", (&app,))?.extract()?;
            let types = Types::new(py, &asyncio)?;
            PyResult::Ok((app, asgi2, plain, template, types))
        })();
        let (app, asgi2, plain, template, types) = made.map_err(|error| load_error(py, &asyncio, &error))?;
        Ok(Self {
            app: app.unbind(),
            asgi2,
            plain,
            template,
            lifespan_mode: lifespan,
            lifespan: RefCell::default(),
            state: RefCell::default(),
            debug: config.debug,
            types,
            asyncio,
        })
    }

    /// Whether it is called as ASGI 2 says.
    pub fn is_asgi2(&self) -> bool {
        self.asgi2
    }

    /// A copy for other threads of this interpreter to serve, lifespan state included.
    pub fn share(&self) -> SharedApp {
        let py = attached();
        SharedApp {
            app: self.app.clone_ref(py),
            asgi2: self.asgi2,
            plain: self.plain,
            state: self.state.borrow().as_ref().map(|state| state.clone_ref(py)),
        }
    }

    /// Takes an application that another thread of this interpreter has loaded and whose lifespan that thread runs.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn adopt(event_loop: &EventLoop, shared: SharedApp, config: &AppConfig) -> Result<Self, LoadError> {
        let py = attached();
        let asyncio = Rc::clone(&event_loop.asyncio);
        let template = ScopeTemplate::new(py, &config.root_path, &config.extensions)
            .map_err(|error| load_error(py, &asyncio, &error))?;
        let types = Types::new(py, &asyncio).map_err(|error| load_error(py, &asyncio, &error))?;
        Ok(Self {
            types,
            asyncio,
            app: shared.app,
            asgi2: shared.asgi2,
            plain: shared.plain,
            template,
            lifespan_mode: LifespanMode::Off,
            lifespan: RefCell::default(),
            state: RefCell::new(shared.state),
            debug: config.debug,
        })
    }

    /// The lifespan's state as a JSON object, and the keys whose values JSON cannot carry. `None` without a state.
    ///
    /// # Errors
    /// A traceback, if serialising raises an exception.
    pub fn state_json(&self) -> Result<Option<(String, Vec<String>)>, String> {
        let py = attached();
        let state = self.state.borrow();
        let Some(state) = &*state else { return Ok(None) };
        let made = self.asyncio.glue.bind(py).call_method1("state_as_json", (state,));
        made.and_then(|made| made.extract()).map(Some).map_err(|error| self.asyncio.traceback(py, &error))
    }

    /// Takes over the state of a lifespan that runs elsewhere: a JSON object.
    ///
    /// # Errors
    /// `json` is not a JSON object.
    pub fn adopt_state(&self, json: &str) -> Result<(), String> {
        let py = attached();
        let state = py.import("json").and_then(|json_module| json_module.call_method1("loads", (json,)));
        let state = state.and_then(|state| Ok(state.cast_into::<PyDict>()?));
        self.state.replace(Some(state.map_err(|error| self.asyncio.traceback(py, &error))?.unbind()));
        Ok(())
    }

    /// Calls the application with the scope type `pounce.worker.PHASE` and waits for it to return.
    ///
    /// # Errors
    /// The traceback of the exception it raised.
    pub async fn hook(&self, phase: &str, worker_id: u32, generation: u32) -> Result<(), String> {
        let coroutine = {
            let py = attached();
            let worker = PyDict::new(py);
            let made = (|| {
                worker.set_item("id", worker_id)?;
                worker.set_item("generation", generation)?;
                let state = self.state.borrow();
                let arguments = (&self.app, self.asgi2, phase, worker, state.as_ref());
                self.asyncio.glue.bind(py).call_method1("hook", arguments)
            })();
            made.map_err(|error| self.asyncio.traceback(py, &error))?.unbind()
        };
        let ran = self.asyncio.run(coroutine).await;
        ran.map(drop).map_err(|error| self.asyncio.traceback(attached(), &error))
    }

    /// Calls the application and starts its task, whose coroutine is `coroutine`.
    fn start(
        &self,
        connection: &ScopeConnection,
        peer: &Rc<Peer>,
        head: &RequestHead,
        state: &Rc<CallState>,
        coroutine: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = coroutine.py();
        let asyncio = &self.asyncio;
        let lifespan_state = self.state.borrow();
        let scope = self.template.base(py, &asyncio.names, connection, head, lifespan_state.as_ref())?;
        connection.set_peer(&scope, &asyncio.names, peer, head)?;
        match &state.side {
            Side::Http(_) => self.template.make_request(&scope, &asyncio.names, connection, head)?,
            Side::WebSocket(_) => {
                self.template.make_websocket(&scope, &asyncio.names, connection, peer, head)?;
            }
        }
        let began = asyncio.is_debug().then(Instant::now);
        let receive =
            self.types.receives.make(py, Receive(Function::new(coroutine, &self.types.coroutines)))?;
        let send = self.types.sends.make(py, Send(Function::new(coroutine, &self.types.coroutines)))?;
        let call = || {
            if self.asgi2 {
                self.app.bind(py).call1((scope,))?.call1((receive, send))
            } else {
                self.app.bind(py).call1((scope, receive, send))
            }
        };
        // Code that runs before the coroutine exists belongs to the request and must see its context. For a plain call
        // no such code runs, and the task makes the context.
        let (returned, context) = if self.plain {
            (call()?, None)
        } else {
            let context = Context::copy_current(py)?;
            (context.run(py, call)?, Some(context))
        };
        // SAFETY: the object is of this type.
        let own = unsafe { owned::<AppCoroutine>(coroutine.as_ptr()) };
        if let Some(own) = own {
            own.watch(returned)?;
        }
        let task = match (&self.types.tasks, own) {
            (Some(tasks), Some(own)) if !asyncio.is_debug() => tasks.start(coroutine, own, context)?,
            _ => Some(asyncio.task(py, coroutine, context.as_ref())?),
        };
        if let Some(began) = began {
            asyncio.log_if_slow(py, state.request(), began.elapsed())?;
        }
        if let Some(task) = task {
            state.keep_task(task);
        }
        Ok(())
    }

    fn call(
        &self,
        connection: &Option<ScopeConnection>,
        peer: &Rc<Peer>,
        head: &RequestHead,
        side: Side,
    ) -> Call {
        let py = attached();
        self.asyncio.driver.catch_up(py);
        let state = CallState::new(Rc::clone(&self.asyncio), side, request_name(head), self.debug);
        let coroutine = self.types.app_coroutines.make(py, AppCoroutine::new(Rc::clone(&state)));
        let started = match (connection, &coroutine) {
            (Some(connection), Ok(coroutine)) => self.start(connection, peer, head, &state, coroutine),
            _ => Err(pyo3::exceptions::PyMemoryError::new_err(())),
        };
        if let Err(error) = started {
            state.raised(py, error);
        }
        self.asyncio.driver.look();
        Call { state, _coroutine: coroutine.ok().map(Bound::unbind) }
    }

    async fn run_lifespan(&self, phase: &'static str) -> Result<(), LifespanError> {
        let py = attached();
        let Some(lifespan) = self.lifespan.borrow().as_ref().map(|lifespan| lifespan.clone_ref(py)) else {
            return Ok(());
        };
        let raised = |error: PyErr| LifespanError::Raised(self.asyncio.traceback(attached(), &error));
        let coroutine = lifespan.call_method0(py, phase).map_err(raised)?;
        let result = self.asyncio.run(coroutine).await.map_err(raised)?;
        let (verdict, detail): (String, String) = result.extract(attached()).map_err(raised)?;
        match verdict.as_str() {
            "complete" => Ok(()),
            "failed" => Err(LifespanError::Reported(detail)),
            "refused" => Err(LifespanError::Refused(detail)),
            "silent" => Err(LifespanError::Silent(if phase == "startup" {
                "lifespan.startup"
            } else {
                "lifespan.shutdown"
            })),
            _ => Err(LifespanError::Raised(detail)),
        }
    }
}

impl App for PythonApp {
    type Connection = Option<ScopeConnection>;
    type Call = Call;

    fn connect(&self, info: &Rc<ConnectionInfo>) -> Self::Connection {
        // This fails only for lack of memory; requests then report it.
        self.template.connection(attached(), &self.asyncio.names, info).ok()
    }

    fn http(
        &self,
        connection: &Self::Connection,
        peer: &Rc<Peer>,
        head: &RequestHead,
        exchange: Exchange,
    ) -> Call {
        self.call(connection, peer, head, Side::Http(exchange))
    }

    fn websocket(
        &self,
        connection: &Self::Connection,
        peer: &Rc<Peer>,
        head: &RequestHead,
        socket: Socket,
    ) -> Call {
        self.call(connection, peer, head, Side::WebSocket(socket))
    }

    fn give_back_memory(&self) {
        memory::give_back(attached(), &self.asyncio);
    }

    async fn startup(&self) -> Result<(), LifespanError> {
        if self.lifespan_mode == LifespanMode::Off {
            return Ok(());
        }
        {
            let py = attached();
            let state = PyDict::new(py);
            let fault = Callback::new(|arguments| {
                let traceback = arguments.first().map(|text| text.to_string()).unwrap_or_default();
                tracing::error!(target: "pounce", "the application's lifespan raised an exception while it ran; the server goes on\n{traceback}");
                Ok(())
            });
            let made = self.asyncio.callbacks.make(py, fault).and_then(|fault| {
                let arguments = (&self.app, self.asgi2, &state, fault);
                self.asyncio.glue.bind(py).call_method1("Lifespan", arguments)
            });
            let lifespan = made.map_err(|error| LifespanError::Raised(self.asyncio.traceback(py, &error)))?;
            self.lifespan.replace(Some(lifespan.unbind()));
            self.state.replace(Some(state.unbind()));
        }
        let started = self.run_lifespan("startup").await;
        match (&started, self.lifespan_mode) {
            (Err(LifespanError::Refused(_) | LifespanError::Silent(_)), LifespanMode::Auto) => {
                tracing::debug!(target: "pounce", "the application has no lifespan");
            }
            (Err(LifespanError::Raised(traceback)), LifespanMode::Auto) => {
                tracing::info!(target: "pounce", "the application is served without its lifespan, in which it raised an exception; with --lifespan on it would not be served\n{traceback}");
            }
            _ => return started,
        }
        self.lifespan.take();
        self.state.take();
        Ok(())
    }

    async fn shutdown(&self) -> Result<(), LifespanError> {
        self.run_lifespan("shutdown").await
    }
}

/// Method and path, which identify a request in log lines.
fn request_name(head: &RequestHead) -> Box<[u8]> {
    [head.method(), b" ", head.raw_path()].concat().into()
}
