//! Clients that send requests without a pause over one transport, and know the outcome of every request.

use super::{Ask, End, Exchange, Transport};
use crate::load::none_is_lost;
use crate::notes::token;
use crate::secured::Connector;
use crate::server::Server;
use crate::wait::{PATIENCE, within};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Clients of an application that has `/counted/FILE/NUMBER`, as in [`Load`](crate::Load). A connection is
/// kept for a few requests.
#[derive(Debug)]
pub struct TransportLoad {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    began: PathBuf,
}

#[derive(Debug)]
struct Shared {
    transport: Transport,
    connector: Connector,
    file: String,
    next: AtomicU32,
    enough: AtomicBool,
    stopping: AtomicBool,
    results: Mutex<Results>,
}

#[derive(Debug, Default)]
struct Results {
    answered: HashSet<String>,
    turned_away: Vec<String>,
    failed: Vec<String>,
}

impl TransportLoad {
    /// Starts `clients` clients.
    pub fn on(server: &Server, transport: Transport, clients: usize) -> Self {
        let file = token();
        let began = server.directory().join(&file);
        let shared = Arc::new(Shared {
            transport,
            connector: server.connector(),
            file,
            next: AtomicU32::new(0),
            enough: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            results: Mutex::default(),
        });
        let clients = (0..clients).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask())
        });
        let clients = clients.collect();
        Self { shared, clients, began }
    }

    /// Waits until `count` more requests are answered.
    pub fn wait_answered(&self, count: usize) {
        let answered = || self.shared.results().answered.len();
        let until = answered() + count;
        let reached = within(PATIENCE, || {
            let failed = !self.shared.results().failed.is_empty();
            (failed || answered() >= until).then_some(())
        });
        assert!(reached.is_some(), "{} of {until} requests are answered", answered());
    }

    /// From now on the server may refuse and close connections.
    pub fn server_stops(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    /// Stops, and shows that every request was answered.
    pub fn finish(mut self) -> usize {
        self.shared.enough.store(true, Ordering::Relaxed);
        let answered = self.join();
        let turned_away = self.shared.results().turned_away.clone();
        assert!(turned_away.is_empty(), "not answered: {turned_away:?}");
        answered
    }

    /// Waits until the server no longer listens, and shows that no request that began was lost, and that few were
    /// turned away.
    pub fn finish_with_server(mut self) -> usize {
        let count = self.clients.len();
        let answered = self.join();
        let turned_away = self.shared.results().turned_away.len();
        assert!(turned_away <= 2 * count, "{turned_away} requests were turned away");
        answered
    }

    fn join(&mut self) -> usize {
        for client in self.clients.drain(..) {
            client.join().expect("no client saw half an answer");
        }
        let results = self.shared.results();
        none_is_lost(&self.began, &results.answered, &results.failed);
        assert!(results.answered.len() > 20, "only {} requests", results.answered.len());
        results.answered.len()
    }
}

impl Drop for TransportLoad {
    fn drop(&mut self) {
        self.shared.enough.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        while !self.is_over() {
            let (number, ask) = self.next_ask();
            match self.transport.try_ask(&self.connector, &ask) {
                Ok(exchange) => self.ask_over(exchange, number),
                Err(_) if self.stopping.load(Ordering::Relaxed) => return,
                Err(error) => return self.results().failed.push(format!("cannot connect: {error}")),
            }
        }
    }

    fn next_ask(&self) -> (String, Ask) {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let ask = Ask::get(&format!("/counted/{}/{number}", self.file));
        (number, ask)
    }

    /// Sends requests over one connection for a while, or until that ends.
    fn ask_over(&self, mut exchange: Exchange, mut number: String) {
        for count in 0.. {
            let answer = exchange.download.rest();
            let mut results = self.results();
            match (answer.status(), &answer.end) {
                (Some(200), End::Complete) => {
                    assert_eq!(answer.text(), number, "the answer to another request");
                    results.answered.insert(number);
                }
                // The client may send it again; if it had begun, the final check would miss its answer.
                (None, End::TurnedAway) => return,
                // Closed before a byte of the answer, which only a server that stops may do.
                (None, End::Closed | End::Reset("REFUSED_STREAM")) => {
                    return if self.stopping.load(Ordering::Relaxed) {
                        results.turned_away.push(number);
                    } else {
                        results.failed.push(format!("{number}: {:?}, {count} before it", answer.end));
                    };
                }
                other => return results.failed.push(format!("{number}: {other:?} {:?}", answer.head)),
            }
            drop(results);
            if count == 40 || self.is_over() {
                return;
            }
            let ask;
            (number, ask) = self.next_ask();
            match exchange.try_again(&ask) {
                Ok(next) => exchange = next,
                // The server has announced its end; nothing was sent.
                Err(_) => return,
            }
        }
    }
}
