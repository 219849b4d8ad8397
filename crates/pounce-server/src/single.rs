//! One worker, on the main thread, with no supervisor.

use std::rc::Rc;
use std::sync::Arc;

use pounce_asgi::python::{self, EventLoop, Interpreter};
use pounce_supervisor::{Command, Status, WorkerEnd};

use crate::error::ServerError;
use crate::life::Life;
use crate::serve::{Job, Post, load, serve};
use crate::server::Request;
use crate::settings;
use crate::watchdog::GRACE;

/// Imports the application, starts it, serves it, and shuts it down.
///
/// # Errors
/// Why it did not serve.
pub(crate) fn run(life: &Rc<Life>, interpreter: &Interpreter) -> Result<(), ServerError> {
    let life = Rc::clone(life);
    python::run(interpreter, async move |event_loop| work(&life, &event_loop).await)?
}

async fn work(life: &Rc<Life>, event_loop: &EventLoop) -> Result<(), ServerError> {
    let (announcer, handle, limit) = (life.announcer, life.handle.clone(), Arc::clone(&life.limit));
    let drain = life.worker.lifecycle.timeout_graceful_shutdown;
    let end = WorkerEnd::new(move |status| {
        if status == Status::Serving {
            limit.set(drain + GRACE);
            if handle.asked() == Request::Run {
                announcer.ready(&Interpreter::describe());
            }
        }
    });
    let post = Post {
        end: end.clone(),
        watchdog: life.watchdog.clone(),
        writer: life.writer.clone(),
        stacks: life.stacks(event_loop),
        alone: true,
    };
    post.arm_startup(&life.worker);
    let stop = {
        let life = Rc::clone(life);
        tokio::task::spawn_local(async move {
            life.handle.stopped().await;
            if life.handle.asked() == Request::Stop {
                // A reload keeps them open; a stop refuses whoever comes now.
                life.listeners.close();
            }
            end.tell(Command::Shutdown);
        })
    };
    let app = Rc::new(load(event_loop, &life.worker, &settings::application(&life.worker))?);
    let duplicates = life.listeners.duplicate();
    let listeners = duplicates.map_err(|error| ServerError::System { what: "cannot serve", error })?;
    let config = Arc::clone(&life.worker);
    let job = Job { config, worker_id: 0, generation: 0, listeners, max_requests: None };
    let served = serve(event_loop, app, job, &post).await;
    stop.abort();
    served
}
