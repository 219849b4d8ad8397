//! The phases of a worker: accept and serve, drain, abort exchanges that do not end.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pounce_asgi::App;
use pounce_net::Listener;

use crate::Settings;
use crate::accept::Acceptor;
use crate::engine::{Engine, OpenRequest, WorkerPhase};
use crate::observer::Observer;

/// Serves one application on the thread that runs it, inside a tokio `LocalRuntime`.
pub struct Worker<A: App> {
    engine: Rc<Engine>,
    app: Rc<A>,
}

/// What happens to connections that are queued when a worker stops accepting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// This worker accepts and answers them: no other will.
    Take,
    /// They are left to other workers that accept from the same sockets.
    Leave,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the deadline, and were aborted.
    pub aborted: usize,
}

impl<A: App> Worker<A> {
    /// A worker for `app`.
    pub fn new(settings: Settings, app: Rc<A>, observer: Option<Box<dyn Observer>>) -> Self {
        Self { engine: Rc::new(Engine::new(settings, observer)), app }
    }

    /// How many requests have begun; any thread may read the number.
    pub fn requests(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.engine.requests)
    }

    /// Answers health checks with 503 from now on, and goes on serving.
    pub fn set_not_ready(&self) {
        self.engine.set_not_ready();
    }

    /// Waits until [`Settings::max_requests`] requests have begun; forever without that limit.
    pub async fn spent(&self) {
        self.engine.spent.notified().await;
    }

    /// The open requests, the oldest first.
    pub async fn open_requests(&self) -> Vec<OpenRequest> {
        let engine = Rc::clone(&self.engine);
        let counted = tokio::task::spawn_local(async move {
            engine.begin_census();
            // Runs after all tasks that were just woken.
            tokio::task::yield_now().await;
            engine.end_census()
        });
        counted.await.unwrap_or_default()
    }

    /// Serves until `drain` is ready, then lets running exchanges finish.
    ///
    /// The listeners are closed when draining begins; `drain` returns what happens to the connections queued on them.
    /// From then on responses have `connection: close`. At the deadline of `timeout_graceful_shutdown` in
    /// [`Settings::lifecycle`], the remaining applications are cancelled.
    ///
    /// # Errors
    /// A listener cannot be watched.
    pub async fn serve(
        &self,
        listeners: Vec<Listener>,
        drain: impl Future<Output = Queue>,
    ) -> io::Result<Drained> {
        let acceptors =
            listeners.into_iter().map(|l| Acceptor::new(l).map(Rc::new)).collect::<io::Result<Vec<_>>>()?;
        let accepting: Vec<_> = acceptors
            .iter()
            .map(|acceptor| {
                let acceptor = Rc::clone(acceptor);
                let (engine, app) = (Rc::clone(&self.engine), Rc::clone(&self.app));
                tokio::task::spawn_local(async move { acceptor.run(engine, app).await })
            })
            .collect();
        let flushing = {
            let engine = Rc::clone(&self.engine);
            // Unconstrained, so that tokio's budget for one task does not stop it before all connections are written.
            let run = async move { engine.flusher.run().await };
            tokio::task::spawn_local(tokio::task::coop::unconstrained(run))
        };
        let giving_back = {
            let (engine, app) = (Rc::clone(&self.engine), Rc::clone(&self.app));
            tokio::task::spawn_local(async move {
                loop {
                    engine.burst.over(|| engine.requests.load(Ordering::Relaxed)).await;
                    app.give_back_memory();
                }
            })
        };
        self.engine.tell_load();
        let queue = drain.await;

        for task in &accepting {
            task.abort();
        }
        for task in accepting {
            // Always an error: the task was just aborted.
            let _ = task.await;
        }
        for acceptor in acceptors {
            if queue == Queue::Take {
                acceptor.take_queued(&self.engine, &self.app);
            }
        }
        self.engine.enter(WorkerPhase::Draining);
        // Not before: while serving, connections that come and go publish the load.
        self.engine.leave_load();
        let in_time =
            tokio::time::timeout(self.engine.settings.lifecycle.timeout_graceful_shutdown, self.emptied())
                .await;
        let aborted = if in_time.is_ok() { 0 } else { self.engine.connections() };
        if aborted > 0 {
            self.engine.enter(WorkerPhase::Aborting);
            self.emptied().await;
        }
        flushing.abort();
        giving_back.abort();
        Ok(Drained { aborted })
    }

    async fn emptied(&self) {
        while self.engine.connections() > 0 {
            self.engine.departed.notified().await;
        }
    }
}
