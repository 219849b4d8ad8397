//! Recycling: a worker that has reached its limit is replaced, and the replacement serves before it leaves.

use pounce_tests::{Load, Mode, Options, Server, eventually, in_every_mode};

in_every_mode! {
    workers_are_replaced_after_so_many_requests,
    workers_are_replaced_after_so_long,
}

fn options(mode: Mode) -> Options {
    Options::app("workers:app").workers(mode, 2).flag("--no-access-log")
}

/// Shows that under load at least `count` workers come up, and no request fails.
fn replaces_workers(mut server: Server, count: usize) {
    let load = Load::on(&server, 4);
    eventually(&format!("{count} workers have answered"), || {
        (load.workers().len() >= count || load.has_failed()).then_some(())
    });
    load.finish();
    assert!(!server.stderr().contains("is lost"), "{}", server.stderr());
    assert!(server.is_running());
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn workers_are_replaced_after_so_many_requests(mode: Mode) {
    replaces_workers(Server::start(options(mode).with("--limit-max-requests", "20")), 8);
}

fn workers_are_replaced_after_so_long(mode: Mode) {
    replaces_workers(Server::start(options(mode).with("--workers-lifetime", "1")), 6);
}

#[test]
fn more_replacements_than_the_budget_for_crashes_are_fine() {
    // Two workers, one restart each in a minute: recycling is no crash.
    let options = options(Mode::Process).with("--limit-max-requests", "20").with("--respawn-limit", "1");
    replaces_workers(Server::start(options), 10);
}

#[test]
fn a_single_worker_is_replaced_too() {
    let server =
        Server::start(Options::app("workers:app").flag("--no-access-log").with("--limit-max-requests", "20"));
    replaces_workers(server, 4);
}

#[test]
fn a_jitter_adds_to_the_limit_and_takes_nothing_away() {
    let options = options(Mode::Process).with("--limit-max-requests", "30");
    let server = Server::start(options.with("--limit-max-requests-jitter", "10"));
    let (worker, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    // A few requests came earlier.
    for _ in 0..15 {
        let response = client.get("/who").response().expect(200);
        assert_eq!(response.text(), worker);
        assert!(!response.says_close(), "replaced before its limit");
    }
    // A kept connection that goes on beyond the limit gets `connection: close`.
    eventually("the worker leaves", || client.get("/who").response().expect(200).says_close().then_some(()));
    server.wait_workers(2, &[worker].into());
}
