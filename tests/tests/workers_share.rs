//! Every worker gets requests, and every request an answer.

use pounce_tests::{Load, Mode, Options, Server, eventually, in_every_mode};

in_every_mode! {
    short_and_kept_connections_reach_every_worker,
    connections_opened_at_once_reach_every_worker,
    a_worker_that_is_busy_leaves_new_connections_to_the_others,
}

fn start(mode: Mode, count: usize) -> Server {
    Server::start(Options::app("workers:app").workers(mode, count).flag("--no-access-log"))
}

/// Shows that workers are what the mode says.
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
