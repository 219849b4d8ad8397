//! Clients that send requests without a pause while something happens to the server, and know the outcome of
//! every request.

use crate::client::Client;
use crate::notes::token;
use crate::secured::Connector;
use crate::server::Server;
use crate::wait::{PATIENCE, within};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The server may close a connection if its client sends nothing for this long after it has begun a request.
const IDLE: Duration = Duration::from_millis(200);

/// Clients of an application that has `/counted/FILE/NUMBER`: it records the number before it answers
/// with it, and names its worker in `x-worker`. Every third client opens a connection for each request.
#[derive(Debug)]
pub struct Load {
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
    began: PathBuf,
}

#[derive(Debug)]
struct Seen {
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
    unanswered: Vec<String>,
    failed: Vec<String>,
    workers: BTreeSet<String>,
}

impl Load {
    /// Starts `clients` clients.
    pub fn on(server: &Server, clients: usize) -> Self {
        Self::through(server.connector(), server, clients)
    }

    /// Starts clients that reach the server by way of a proxy.
    pub fn through(connector: Connector, server: &Server, clients: usize) -> Self {
        let file = token();
        let began = server.directory().join(&file);
        let seen = Arc::new(Seen {
            connector,
            file,
            next: AtomicU32::new(0),
            enough: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            results: Mutex::default(),
        });
        let clients = (0..clients).map(|number| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || seen.ask(number % 3 == 2))
        });
        let clients = clients.collect();
        Self { seen, clients, began }
    }

    /// The number of requests answered so far.
    pub fn answered(&self) -> usize {
        self.seen.results().answered.len()
    }

    /// The workers that have answered so far.
    pub fn workers(&self) -> BTreeSet<String> {
        self.seen.results().workers.clone()
    }

    /// Whether a request has failed: its client has stopped, and [`finish`](Self::finish) says why.
    pub fn has_failed(&self) -> bool {
        !self.seen.results().failed.is_empty()
    }

    /// Waits until `count` more requests are answered.
    pub fn wait_answered(&self, count: usize) {
        let until = self.answered() + count;
        let reached = within(PATIENCE, || (self.has_failed() || self.answered() >= until).then_some(()));
        assert!(reached.is_some(), "{} of {until} requests are answered", self.answered());
    }

    /// From now on the server may refuse and close connections.
    pub fn server_stops(&self) {
        self.seen.stopping.store(true, Ordering::Relaxed);
    }

    /// Stops, and shows that no request was lost. Returns the number of requests answered.
    pub fn finish(mut self) -> usize {
        self.seen.enough.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until the server no longer listens, and shows that no request that began was lost, and that few
    /// were turned away.
    pub fn finish_with_server(mut self) -> usize {
        self.join()
    }

    fn join(&mut self) -> usize {
        let count = self.clients.len();
        for client in self.clients.drain(..) {
            client.join().expect("no client saw half an answer");
        }
        let results = self.seen.results();
        none_is_lost(&self.began, &results.answered, &results.failed);
        // At most one request per connection may meet its end.
        let unanswered = results.unanswered.len();
        assert!(unanswered <= 2 * count, "{unanswered} requests were turned away");
        assert!(results.answered.len() > 50, "only {} requests", results.answered.len());
        results.answered.len()
    }
}

/// Shows that no request failed and that every request the application recorded as begun was answered.
pub(crate) fn none_is_lost(began: &Path, answered: &HashSet<String>, failed: &[String]) {
    assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
    let began = std::fs::read_to_string(began).expect("some requests began");
    let lost: Vec<_> = began.lines().filter(|number| !answered.contains(*number)).collect();
    assert!(lost.is_empty(), "began and never answered: {lost:?}");
}

impl Drop for Load {
    fn drop(&mut self) {
        self.seen.enough.store(true, Ordering::Relaxed);
    }
}

impl Seen {
    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    fn ask(&self, short: bool) {
        while !self.is_over() {
            let began = Instant::now();
            match self.connector.connect() {
                Ok(client) => self.ask_over(client, began, short),
                Err(_) if self.is_stopping() => return,
                Err(error) => return self.results().failed.push(format!("cannot connect: {error}")),
            }
        }
    }

    /// Sends requests over one connection, which began then, until it ends.
    fn ask_over(&self, mut client: Client, mut began: Instant, short: bool) {
        let connection = if short { "Connection: close\r\n" } else { "" };
        let mut count = 0;
        while !self.is_over() {
            let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
            let target = format!("/counted/{}/{number}", self.file);
            let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{connection}\r\n");
            let begins = Instant::now();
            let is_sent = client.try_send(request).is_ok();
            // At most so long has the server seen the connection idle, however late the threads of this test run.
            let idle = began.elapsed();
            began = begins;
            if !is_sent || !client.has_more() {
                // Closed before a byte of the answer.
                let mut results = self.results();
                if self.is_stopping() || idle > IDLE {
                    results.unanswered.push(number);
                } else {
                    let text = format!("{number}: closed without a word, after {count} on the connection");
                    results.failed.push(text);
                }
                return;
            }
            let response = client.response();
            count += 1;
            if response.status != 200 {
                return self.results().failed.push(format!("{number}: {response:?}"));
            }
            assert_eq!(response.text(), number, "the answer to another request");
            let mut results = self.results();
            results.answered.insert(number);
            results.workers.extend(response.header("x-worker").map(str::to_owned));
            drop(results);
            if response.says_close() {
                return client.expect_closed();
            }
        }
    }
}
