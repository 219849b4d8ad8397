//! A worker that dies: the others go on, it is restarted, and given up if it keeps dying.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pounce_tests::modes::pid_of;
use pounce_tests::{Client, Mode, Options, Server, eventually, in_every_mode};
use std::collections::BTreeSet;

in_every_mode! { a_handler_that_exits_is_a_failed_request_and_no_more }

fn start(limit: &str) -> Server {
    let options = Options::app("workers:app").workers(Mode::Process, 2);
    Server::start(options.with("--respawn-limit", limit).flag("--no-access-log"))
}

fn kill_worker(worker: &str) {
    kill(Pid::from_raw(pid_of(worker).cast_signed()), Signal::SIGKILL).expect("the worker runs");
}

/// Shows that standard error has a line about a worker that contains `reason`.
fn says_why(server: &Server, reason: &str) {
    eventually(&format!("a line about a worker says {reason}"), || {
        let stderr = server.stderr();
        let mut lines = stderr.lines().filter(|line| line.contains("worker"));
        let found = lines.any(|line| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == reason));
        found.then_some(())
    });
}

/// A request to `target` kills one worker, while the other has a request in progress.
fn dies_alone(target: &str, reason: &str) {
    let server = start("5");
    let mut clients = server.client_of_each(2);
    let (dead, mut fatal) = clients.pop_first().expect("two workers");
    let (other, mut client) = clients.pop_first().expect("two workers");
    client.get("/sleep/1/slept");
    eventually("a request is under way", || server.directory().join("slept").exists().then_some(()));
    fatal.get(target);
    assert_eq!(fatal.rest(), b"", "an answer from the dead");
    for _ in 0..20 {
        assert_ne!(server.get("/who").expect(200).text(), dead);
    }
    assert_eq!(client.response().expect(200).text(), other, "the request under way");
    assert_eq!(client.get("/who").response().expect(200).text(), other, "the connection goes on");

    let workers = server.wait_workers(2, &BTreeSet::from([dead]));
    assert!(workers.contains(&other), "{other} was replaced too: {workers:?}");
    server.wait_children(2);
    says_why(&server, reason);
}

#[test]
fn a_worker_that_is_killed_is_started_again() {
    dies_alone("/killed", "SIGKILL");
}

#[test]
fn a_worker_that_reads_where_nothing_is_is_started_again() {
    dies_alone("/segfault", "SIGSEGV");
}

#[test]
fn a_worker_that_exits_in_the_middle_is_started_again() {
    dies_alone("/exit-7", "7");
}

#[test]
fn both_can_die_at_once_and_connections_wait_for_the_next() {
    let mut server = start("5");
    let workers: BTreeSet<_> = server.client_of_each(2).into_keys().collect();
    workers.iter().for_each(|worker| kill_worker(worker));
    // The listener stays open, so no client is refused or reset.
    let mut waiting: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut waiting {
        let answer = client.get("/who").response().expect(200).text();
        assert!(!workers.contains(&answer));
    }
    server.wait_workers(2, &workers);
    assert!(server.is_running());
}

fn a_handler_that_exits_is_a_failed_request_and_no_more(mode: Mode) {
    let server = Server::start(Options::app("workers:app").workers(mode, 2));
    let before = server.wait_workers(2, &BTreeSet::new());
    for (worker, mut client) in server.client_of_each(2) {
        let response = client.get("/sys-exit").response().expect(500);
        if !response.says_close() {
            assert_eq!(client.get("/who").response().expect(200).text(), worker);
        }
    }
    for _ in 0..10 {
        server.get("/sys-exit").expect(500);
    }
    assert_eq!(server.wait_workers(2, &BTreeSet::new()), before, "workers were replaced");
}

/// Kills a worker, and its successors, until with `--respawn-limit 1` the slot is given up.
/// `others` are the workers that go on.
fn kill_until_given_up(server: &Server, worker: &str, others: &BTreeSet<String>) {
    kill_worker(worker);
    let next = eventually("the worker is started again and serves", || {
        let mut seen = server.who(8).into_iter().map(|(name, _)| name);
        seen.find(|name| name != worker && !others.contains(name))
    });
    assert!(!server.stderr().contains("given up"), "given up too early\n{}", server.stderr());
    kill_worker(&next);
    server.wait_stderr("given up");
}

#[test]
fn a_worker_that_dies_again_and_again_is_given_up_and_the_other_serves_everything() {
    let mut server = start("1");
    let mut workers: BTreeSet<_> = server.client_of_each(2).into_keys().collect();
    let bad = workers.pop_first().expect("two workers");
    let good = workers.first().expect("two workers").clone();
    kill_until_given_up(&server, &bad, &workers);
    server.wait_children(1);
    for _ in 0..50 {
        assert_eq!(server.get("/who").expect(200).text(), good);
    }
    // Longer than the wait before any further restart.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(server.children(), [pid_of(&good)]);

    // The last one is given up in turn, which ends the server.
    let address = server.address();
    kill_worker(&good);
    let next = server.client_of_each(1).into_keys().next().expect("one worker");
    assert_ne!(next, good);
    kill_worker(&next);
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("error"), "{}", exit.stderr);
    assert!(Client::try_tcp(address).is_err(), "somebody still listens");
    server.left_nothing(&[]);
}

#[test]
fn a_stop_does_not_wait_for_the_next_start_of_a_dead_worker() {
    let mut server = start("5");
    let workers: Vec<_> = server.client_of_each(2).into_keys().collect();
    kill_worker(&workers[0]);
    says_why(&server, "SIGKILL");
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}
