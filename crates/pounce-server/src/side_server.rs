//! A small server beside the workers: it answers requests in Rust on a thread of its own, whatever the application in
//! Python does.

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Payload, Peer, RequestHead, ResponseHead, Socket};
use pounce_config::LifecycleConfig;
use pounce_net::Listener;
use pounce_worker::{Queue, Settings, Worker};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use crate::error::ServerError;

/// How long requests may run on once it is to stop.
const DRAIN: Duration = Duration::from_secs(1);

/// A running side server. It stops when this is dropped.
pub(crate) struct SideServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// They remove the files of Unix sockets.
    listeners: Vec<Listener>,
}

impl SideServer {
    /// Starts one, without WebSockets; `answers` is called on its thread, and what it returns for each request.
    ///
    /// # Errors
    /// The sockets cannot listen, or the thread cannot be started.
    pub(crate) fn start<A, F>(
        name: &str,
        listeners: Vec<Listener>,
        mut settings: Settings,
        answers: impl FnOnce() -> A + Send + 'static,
    ) -> Result<Self, ServerError>
    where
        A: Fn(&RequestHead) -> F + 'static,
        F: Future<Output = Answer> + 'static,
    {
        let system = |error| ServerError::System { what: "cannot start a server beside the workers", error };
        settings.websocket = None;
        settings.lifecycle = LifecycleConfig { timeout_graceful_shutdown: DRAIN, ..settings.lifecycle };
        for listener in &listeners {
            listener.listen(128)?;
        }
        let served = listeners.iter().map(Listener::try_clone).collect::<io::Result<_>>().map_err(system)?;
        let (stop, stopped) = oneshot::channel();
        let named = name.to_owned();
        let thread = std::thread::Builder::new().name(format!("pounce-{name}")).spawn(move || {
            let serve = || -> io::Result<_> {
                let runtime =
                    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
                runtime.block_on(async move {
                    let worker = Worker::new(settings, Rc::new(Answering(answers())), None);
                    let drain = async {
                        // Dropping the sender stops it too.
                        let _ = stopped.await;
                        Queue::Take
                    };
                    worker.serve(served, drain).await
                })
            };
            if let Err(error) = serve() {
                tracing::error!(target: "pounce", "cannot serve {named}: {error}");
            }
        });
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(system)?), listeners })
    }
}

/// The head and the body of a response.
pub(crate) type Answer = (ResponseHead, Vec<u8>);

/// The application of a side server: a function from requests to answers.
struct Answering<A>(A);

impl<A, F> App for Answering<A>
where
    A: Fn(&RequestHead) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    type Connection = ();
    type Call = Pin<Box<dyn Future<Output = Outcome>>>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Self::Call {
        let answer = (self.0)(head);
        Box::pin(async move {
            let (mut head, body) = answer.await;
            // Fails only if the client has gone.
            let _ = exchange.start(&mut head).and_then(|()| exchange.body(Payload::Borrowed(&body), false));
            Outcome::Returned
        })
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        let _ = socket.close(1000, "");
        Box::pin(ready(Outcome::Returned))
    }
}

impl Drop for SideServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has logged what went wrong.
            let _ = thread.join();
        }
        for listener in self.listeners.drain(..) {
            if let Err(error) = listener.unlink() {
                tracing::warn!(target: "pounce", "cannot remove a socket: {error}");
            }
        }
    }
}
