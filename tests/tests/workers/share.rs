//! Every worker gets requests, and every request an answer.

use nix::sys::signal::Signal;
use pounce_tests::{Load, Mode, Options, Server, eventually, in_every_mode};
use std::collections::BTreeSet;

in_every_mode! {
    short_and_kept_connections_reach_every_worker,
    connections_opened_at_once_reach_every_worker,
    a_worker_that_is_busy_leaves_new_connections_to_the_others,
    an_application_cannot_cut_off_the_memory_that_workers_share,
}

fn start(mode: Mode, count: usize) -> Server {
    Server::start(Options::app("workers:app").workers(mode, count).flag("--no-access-log"))
}

/// Shows that the workers are of the mode's kind.
fn are_of_their_kind(mode: Mode, server: &Server, workers: impl IntoIterator<Item = String>) {
    let mut pids: Vec<_> = workers.into_iter().map(|worker| pounce_tests::modes::pid_of(&worker)).collect();
    pids.sort_unstable();
    if mode == Mode::Process {
        let mut children = server.children();
        children.sort_unstable();
        assert_eq!(pids, children, "the workers are the server's children");
    } else {
        assert!(pids.iter().all(|pid| *pid == server.pid()), "{pids:?}");
        assert_eq!(server.children(), [0; 0]);
    }
}

fn short_and_kept_connections_reach_every_worker(mode: Mode) {
    let server = start(mode, 3);
    let load = Load::on(&server, 9);
    eventually("three workers answer", || (load.workers().len() == 3).then_some(()));
    load.wait_answered(300);
    are_of_their_kind(mode, &server, load.workers());
    load.finish();
}

fn connections_opened_at_once_reach_every_worker(mode: Mode) {
    let server = start(mode, 2);
    let clients = server.client_of_each(2);
    are_of_their_kind(mode, &server, clients.into_keys());
}

fn a_worker_that_is_busy_leaves_new_connections_to_the_others(mode: Mode) {
    let server = start(mode, 2);
    let mut clients = server.client_of_each(2);
    let (busy, mut client) = clients.pop_first().expect("two workers");
    client.get("/block/2/blocked");
    eventually("one is busy", || server.directory().join("blocked").exists().then_some(()));
    let mut answered = Vec::new();
    for _ in 0..50 {
        answered.push(server.get("/who").expect(200).text());
    }
    assert!(answered.iter().any(|worker| *worker != busy), "all by the one that was busy");
    assert_eq!(client.response().expect(200).text(), busy);
}

fn an_application_cannot_cut_off_the_memory_that_workers_share(mode: Mode) {
    let mut server = start(mode, 2);
    let workers = server.wait_workers(2, &BTreeSet::new());
    assert_eq!(server.get("/truncate").expect(200).text(), "refused");
    // Workers read and write it at every connection, and the server when it starts a worker.
    let load = Load::on(&server, 4);
    load.wait_answered(100);
    load.finish();
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    server.wait_workers(2, &workers);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{}", exit.stderr);
}

#[test]
fn descriptors_that_an_application_makes_inheritable_stay_the_servers_own() {
    if !Mode::Subinterpreter.is_there() {
        return;
    }
    let options = Options::app("workers:app").workers(Mode::Subinterpreter, 2).flag("--no-access-log");
    let mut server = Server::start(options);
    for reloads in 1..=3 {
        let workers = server.wait_workers(2, &BTreeSet::new());
        server.get("/inheritable").expect(200);
        server.signal(Signal::SIGHUP);
        server.wait_stderr_times("Reloaded", reloads);
        server.wait_workers(2, &workers);
    }
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{}", exit.stderr);
}
