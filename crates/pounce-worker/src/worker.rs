//! A worker's life: accept and serve, drain, abort what does not end.

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

/// What becomes of connections that are queued when a worker stops accepting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// They are accepted and answered: nobody else will.
    Take,
    /// They are left to the other processes that accept from the same sockets.
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

    /// How many requests have begun, for any thread to read.
    pub fn requests(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.engine.requests)
    }

    /// Waits until [`Settings::max_requests`] have begun; for ever where there is no such limit.
    pub async fn spent(&self) {
        self.engine.spent.notified().await;
    }

    /// The requests that are open, the one that has been for longest first.
    pub async fn open_requests(&self) -> Vec<OpenRequest> {
        let engine = Rc::clone(&self.engine);
        let counted = tokio::task::spawn_local(async move {
            engine.begin_census();
            // This task takes its turn behind all those that were woken.
            tokio::task::yield_now().await;
            engine.end_census()
        });
        counted.await.unwrap_or_default()
    }

    /// Serves until `drain` is ready, then lets what runs come to its end.
    ///
    /// The listeners are closed when draining begins; `drain` says what becomes of what is queued on them.
    /// Connections are answered with `connection: close` from then on; at the deadline of
    /// [`Settings::graceful_timeout`] their applications are cancelled.
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
            // All of them at the end of a turn: the budget that tokio has for a task is for what waits.
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
            // Its only error is that it was aborted.
            let _ = task.await;
        }
        for acceptor in acceptors {
            if queue == Queue::Take {
                acceptor.take_queued(&self.engine, &self.app);
            }
        }
        self.engine.enter(WorkerPhase::Draining);
        // Not before: until then connections that come and go tell theirs.
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
