//! The servers for applications that use services, and requests to them.

use pounce_tests::{Mode, Options, Server};
use serde_json::Value;

/// The workers of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// One worker, in the server's process.
    OneWorker,
    /// Two processes.
    TwoProcesses,
    /// Two threads of one interpreter, in parallel if Python is free-threaded.
    TwoThreads,
}

impl Setup {
    /// Serves the factory `create` of a module of `tests/apps/services`: each worker has separate clients.
    pub(crate) fn start(self, module: &str, environment: &[(&str, &str)]) -> Server {
        let options = Options::app(&format!("services.{module}:create()")).with("--lifespan", "on");
        let options = match self {
            Self::TwoThreads => options.with("--lifespan-scope", "worker"),
            Self::OneWorker | Self::TwoProcesses => options,
        };
        self.start_with(options, environment)
    }

    /// Starts a server with `options`.
    pub(crate) fn start_with(self, options: Options, environment: &[(&str, &str)]) -> Server {
        let options = environment.iter().fold(options, |all, (name, value)| all.env(name, value));
        Server::start(match self {
            Self::OneWorker => options,
            Self::TwoProcesses => options.workers(Mode::Process, 2),
            Self::TwoThreads => options.workers(Mode::Thread, 2),
        })
    }
}

/// The answer to a single request.
#[track_caller]
pub(crate) fn ask(server: &Server, target: &str) -> Value {
    let answer = server.get(target);
    assert_eq!(answer.status, 200, "{target}: {}\n{}", answer.text(), server.stderr());
    answer.json()
}

/// Requests `target` for the numbers 0 to `count` over several connections at once, and passes each answer
/// to `check`.
pub(crate) fn ask_together(
    server: &Server,
    count: usize,
    target: impl Fn(usize) -> String,
    check: impl Fn(usize, Value),
) {
    const CONNECTIONS: usize = 8;
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let numbers: Vec<_> = (0..count).collect();
    for numbers in numbers.chunks(CONNECTIONS) {
        for (client, number) in clients.iter_mut().zip(numbers) {
            client.get(&target(*number));
        }
        for (client, number) in clients.iter_mut().zip(numbers) {
            let answer = client.response();
            assert_eq!(answer.status, 200, "{}: {}\n{}", target(*number), answer.text(), server.stderr());
            check(*number, answer.json());
        }
    }
}

/// Stops the server, which must exit properly: its application closes its clients when its lifespan ends.
#[track_caller]
pub(crate) fn stops(mut server: Server) {
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(!exit.stderr.contains("Traceback"), "{}", exit.stderr);
}

/// Makes each function of one [`Setup`] a test for each setup, in a module with its name.
macro_rules! in_every_setup {
    ($($test:ident),+ $(,)?) => {
        in_every_setup! { @ one_worker OneWorker: $($test),+ }
        in_every_setup! { @ two_processes TwoProcesses: $($test),+ }
        in_every_setup! { @ two_threads TwoThreads: $($test),+ }
    };
    (@ $module:ident $setup:ident: $($test:ident),+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test($crate::setup::Setup::$setup);
                }
            )+
        }
    };
}
pub(crate) use in_every_setup;
