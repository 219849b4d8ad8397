//! `--worker-hooks`: on request, the application is called at the start and the end of each worker.

use nix::sys::signal::Signal;
use pounce_tests::{Mode, Options, Server, in_every_mode};
use std::collections::{BTreeMap, BTreeSet};

in_every_mode! {
    each_worker_calls_each_hook_once_and_in_order,
    a_reload_calls_the_hooks_of_both_generations,
    without_being_asked_for_there_are_none,
}

const HOOKS: [&str; 3] = ["pounce.worker.startup", "pounce.worker.draining", "pounce.worker.shutdown"];

fn options(mode: Mode) -> Options {
    Options::app("worker_life:app").workers(mode, 2).flag("--no-access-log")
}

/// The events that each worker recorded, in order, without the lifespan.
fn hooks(server: &Server) -> BTreeMap<String, Vec<String>> {
    let log = std::fs::read_to_string(server.directory().join("life.log")).expect("something was logged");
    let mut hooks = BTreeMap::<_, Vec<_>>::new();
    for (event, worker) in log.lines().filter_map(|line| line.split_once(' ')) {
        if event.starts_with("pounce.") {
            hooks.entry(worker.to_owned()).or_default().push(event.to_owned());
        }
    }
    hooks
}

fn stop(server: &mut Server) {
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

fn each_worker_calls_each_hook_once_and_in_order(mode: Mode) {
    let mut server = Server::start(options(mode).flag("--worker-hooks"));
    let started = hooks(&server);
    assert!(started.values().all(|events| events[..] == HOOKS[..1]), "{started:?}");
    let workers: BTreeSet<_> = server.client_of_each(2).into_keys().collect();
    assert_eq!(started.into_keys().collect::<BTreeSet<_>>(), workers);
    stop(&mut server);
    let all = hooks(&server);
    assert!(all.values().all(|events| events[..] == HOOKS), "{all:?}");
    assert_eq!(all.into_keys().collect::<BTreeSet<_>>(), workers);
}

fn a_reload_calls_the_hooks_of_both_generations(mode: Mode) {
    let mut server = Server::start(options(mode).flag("--worker-hooks"));
    let before = server.wait_workers(2, &BTreeSet::new());
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    let after = server.wait_workers(2, &before);
    stop(&mut server);
    let all = hooks(&server);
    assert!(all.values().all(|events| events[..] == HOOKS), "{all:?}");
    assert_eq!(all.into_keys().collect::<BTreeSet<_>>(), &before | &after);
}

fn without_being_asked_for_there_are_none(mode: Mode) {
    let mut server = Server::start(options(mode));
    server.client_of_each(2);
    stop(&mut server);
    // The log has only the lifespan.
    assert_eq!(hooks(&server), BTreeMap::new());
}

#[test]
fn an_application_whose_startup_hook_fails_is_shut_down() {
    let options = Options::app("worker_life:failing").flag("--worker-hooks");
    let exit = Server::run(options);
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    let said: Vec<_> = exit.stdout.lines().collect();
    assert_eq!(said, ["startup", "shutdown"], "{}", exit.stderr);
}

#[test]
fn an_application_can_end_its_streams_in_the_draining_hook() {
    let options = Options::app("worker_life:app").flag("--worker-hooks");
    let mut server = Server::start(options.with("--timeout-graceful-shutdown", "600"));
    let mut client = server.connect();
    client.get("/until-draining").head().expect(200);
    assert!(client.has_more());
    stop(&mut server);
    assert!(String::from_utf8_lossy(&client.rest()).contains(" and done"));
}
