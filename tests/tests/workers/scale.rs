//! SIGTTIN and SIGTTOU: one worker more, one less, and never none.

use nix::sys::signal::Signal;
use pounce_tests::{Load, Mode, Options, Server, in_every_mode};
use std::collections::BTreeSet;

in_every_mode! {
    workers_come_and_go_under_load,
    a_worker_that_goes_finishes_what_it_does,
    a_reload_keeps_the_number_that_was_asked_for,
}

fn start(mode: Mode) -> Server {
    Server::start(Options::app("workers:app").workers(mode, 2).flag("--no-access-log"))
}

fn are(mode: Mode, server: &Server, count: usize) -> BTreeSet<String> {
    let workers = server.wait_workers(count, &BTreeSet::new());
    server.wait_children(if mode == Mode::Process { count } else { 0 });
    workers
}

fn workers_come_and_go_under_load(mode: Mode) {
    let mut server = start(mode);
    let before = are(mode, &server, 2);
    let load = Load::on(&server, 4);
    load.wait_answered(50);
    server.signal(Signal::SIGTTIN);
    let more = are(mode, &server, 3);
    assert!(more.is_superset(&before), "{before:?} and one more, not {more:?}");
    server.signal(Signal::SIGTTOU);
    are(mode, &server, 2);
    server.signal(Signal::SIGTTOU);
    let last = are(mode, &server, 1);
    server.signal(Signal::SIGTTOU);
    load.wait_answered(100);
    assert_eq!(are(mode, &server, 1), last, "the last one stays");
    server.signal(Signal::SIGTTIN);
    are(mode, &server, 2);
    load.finish();
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn a_worker_that_goes_finishes_what_it_does(mode: Mode) {
    let server = start(mode);
    let mut clients = server.client_of_each(2);
    for client in clients.values_mut() {
        client.get("/hold/began/go-on");
    }
    let log = server.directory().join("began");
    let began = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    pounce_tests::eventually("both wait", || (began() == 2).then_some(()));
    server.signal(Signal::SIGTTOU);
    server.wait_stderr("Stopping a worker: waiting");
    std::fs::write(server.directory().join("go-on"), "").expect("a file");
    let mut said_close = 0;
    for (worker, mut client) in clients {
        let response = client.response().expect(200);
        assert_eq!(response.text(), worker);
        said_close += usize::from(response.says_close());
    }
    assert_eq!(said_close, 1, "one of them leaves");
    are(mode, &server, 1);
}

fn a_reload_keeps_the_number_that_was_asked_for(mode: Mode) {
    let server = start(mode);
    server.signal(Signal::SIGTTIN);
    let before = are(mode, &server, 3);
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    let after = are(mode, &server, 3);
    assert!(after.is_disjoint(&before), "{before:?} are not all replaced: {after:?}");
}
