//! The kinds of workers, and running a test for every kind.

use crate::client::Client;
use crate::options::Options;
use crate::server::Server;
use crate::wait::eventually;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

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

impl Mode {
    /// The value of `--worker-mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Thread => "thread",
            Self::Subinterpreter => "subinterpreter",
        }
    }

    /// Whether the Python under test supports it; if not, prints on stderr that the test is skipped.
    pub fn is_there(self) -> bool {
        let there = self != Self::Subinterpreter || python() >= (3, 12);
        if !there {
            eprintln!("skipped: no subinterpreters in this Python");
        }
        there
    }
}

/// The version of the server's Python.
pub fn python() -> (u32, u32) {
    static VERSION: OnceLock<(u32, u32)> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let text = Server::start(Options::app("workers:app")).get("/version").expect(200).text();
        let (major, minor) = text.split_once('.').expect("MAJOR.MINOR");
        (major.parse().expect("a number"), minor.parse().expect("a number"))
    })
}

impl Options {
    /// Runs `count` workers of a kind.
    pub fn workers(self, mode: Mode, count: usize) -> Self {
        self.with("--workers", count.to_string()).with("--worker-mode", mode.name())
    }
}

impl Server {
    /// The workers that answer a number of simultaneous connections. Requests
    /// `/who/MILLISECONDS`, which keeps a worker busy that long and then names it.
    pub fn who(&self, connections: usize) -> Vec<(String, Client)> {
        let mut clients: Vec<_> = (0..connections).map(|_| self.connect()).collect();
        for client in &mut clients {
            client.get("/who/5");
        }
        let answers = clients.into_iter().map(|mut client| (client.response().expect(200).text(), client));
        answers.collect()
    }

    /// Waits until each of `count` workers has answered, and returns a kept connection to each.
    pub fn client_of_each(&self, count: usize) -> BTreeMap<String, Client> {
        let mut clients = BTreeMap::new();
        eventually(&format!("each of {count} workers answers"), || {
            clients.extend(self.who(2 * count));
            (clients.len() >= count).then_some(())
        });
        assert_eq!(clients.len(), count, "more workers than asked for: {:?}", clients.keys());
        clients
    }

    /// Waits until exactly `count` workers answer, none of `gone` among them, and names them.
    pub fn wait_workers(&self, count: usize, gone: &BTreeSet<String>) -> BTreeSet<String> {
        eventually(&format!("{count} workers answer, and not {gone:?}"), || {
            let seen: BTreeSet<_> = (0..8).flat_map(|_| self.who(4 * count)).map(|(name, _)| name).collect();
            (seen.len() == count && seen.is_disjoint(gone)).then_some(seen)
        })
    }

    /// Waits until standard error contains `text` `count` times.
    pub fn wait_stderr_times(&self, text: &str, count: usize) {
        let found = crate::wait::within(crate::wait::PATIENCE, || {
            (self.stderr().matches(text).count() >= count).then_some(())
        });
        assert!(found.is_some(), "stderr did not say {text:?} {count} times\n{}", self.stderr());
    }
}

/// The process of a worker that the applications of `tests/apps` named.
pub fn pid_of(worker: &str) -> u32 {
    let (pid, _) = worker.split_once('/').expect("a worker's name is PID/THREAD");
    pid.parse().expect("a process id")
}

/// Makes each function of one [`Mode`] a test for every mode.
#[macro_export]
macro_rules! in_every_mode {
    ($($test:ident),+ $(,)?) => {
        $crate::in_modes! { process Process: $($test),+ }
        $crate::in_modes! { thread Thread: $($test),+ }
        $crate::in_modes! { subinterpreter Subinterpreter: $($test),+ }
    };
}

/// Makes each function of one [`Mode`] a test for one mode, in a module with the mode's name.
#[macro_export]
macro_rules! in_modes {
    ($module:ident $mode:ident: $($test:ident),+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    if $crate::modes::Mode::$mode.is_there() {
                        super::$test($crate::modes::Mode::$mode);
                    }
                }
            )+
        }
    };
}
