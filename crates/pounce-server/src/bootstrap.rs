//! Turns a plan into a worker that serves, in a process or a subinterpreter.
//!
//! Everything a worker needs is rebuilt from the plan: the configuration, the listeners, `sys.path`, the
//! application, the lifespan's state. The worker uses none of the server's memory.

use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::sync::Arc;

use pounce_asgi::python::{self, EventLoop, Exclusive};
use pounce_config::{Handover, LifespanMode, ListenerHandle, WorkerPlan};
use pounce_metrics::{Rows, WorkerMetrics};
use pounce_net::{Listener, Load, LoadTable};
use pounce_supervisor::Status;
use pounce_worker::tls::{TicketSecret, TlsStore};

use crate::error::ServerError;
use crate::listeners;
use crate::serve::{Job, WorkerContext, load, serve};

/// Where a worker's sockets come from.
pub(crate) enum Sockets {
    /// Opened in this process. Not passed by number: FD_CLOEXEC would then have to tell whether a descriptor has an
    /// owner, and the application may change that flag.
    Own(Opened),
    /// Inherited over exec, under the numbers that the plan names.
    Inherited,
}

/// A worker's listeners, and its places in memory that all workers share.
pub(crate) struct Opened {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) load: Option<Load>,
    pub(crate) metrics: Option<WorkerMetrics>,
}

/// Runs the worker that `plan` describes until told to end. Releases `alone` once the application is imported.
///
/// # Errors
/// The worker cannot be created, or its application does not start.
pub(crate) async fn bootstrap(
    event_loop: &EventLoop,
    plan: WorkerPlan,
    sockets: Sockets,
    alone: Option<Exclusive>,
    context: &WorkerContext,
) -> Result<(), ServerError> {
    context.end.reporter().report(Status::Started);
    let config = Arc::new(plan.config);
    let opened = match sockets {
        Sockets::Own(opened) => opened,
        Sockets::Inherited => inherited(&plan.listeners, plan.load, plan.metrics)?,
    };
    context.arm_startup(&config);
    event_loop.extend_sys_path(&plan.sys_path);
    // A state in the plan means that the server has run the lifespan for all workers.
    let ran = plan.lifespan_state.is_some();
    let app =
        load(event_loop, &config, None, if ran { LifespanMode::Off } else { config.lifecycle.lifespan });
    drop(alone);
    let app = Rc::new(app?);
    if let Some(state) = plan.lifespan_state {
        app.adopt_state(&serde_json::Value::Object(state).to_string()).map_err(ServerError::State)?;
    }
    let tls = config.tls.clone().zip(plan.tls).map(|(tls, given)| {
        let (period, bytes) = given.ticket_secret;
        let secret = TicketSecret::from_parts(period, bytes);
        TlsStore::open(tls, config.http.version, secret, Some(given.texts)).map(Arc::new)
    });
    let job = Job {
        tls: tls.transpose()?,
        config,
        worker_id: plan.worker_id,
        generation: plan.generation,
        listeners: opened.listeners,
        max_requests: plan.max_requests,
        load: opened.load,
        metrics: opened.metrics,
    };
    serve(event_loop, app, job, context).await
}

/// Takes over the descriptors that a plan names by number.
fn inherited(
    listeners: &[ListenerHandle],
    load: Option<Handover>,
    metrics: Option<Handover>,
) -> Result<Opened, ServerError> {
    let listeners = listeners::reconstruct(listeners)
        .map_err(|error| ServerError::System { what: "cannot take over the listeners", error })?;
    let load = load
        .map(|load| {
            let table = LoadTable::from_raw_fd(load.fd)?;
            python::disown(table.as_fd());
            Ok(table.load(load.place))
        })
        .transpose()
        .map_err(|error| ServerError::System { what: "cannot take over the load table", error })?;
    let metrics = metrics
        .map(|metrics| {
            let rows = Rows::from_raw_fd(metrics.fd)?;
            python::disown(rows.as_fd());
            Ok(WorkerMetrics::new(rows, metrics.place))
        })
        .transpose()
        .map_err(|error| ServerError::System { what: "cannot take over the metrics", error })?;
    Ok(Opened { listeners, load, metrics })
}
