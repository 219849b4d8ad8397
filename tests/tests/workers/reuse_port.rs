//! `--reuse-port`: a socket for each worker, and no connection stays with a worker that has ended.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pounce_tests::modes::pid_of;
use pounce_tests::{Load, Mode, Options, Server, eventually, in_every_mode};

in_every_mode! {
    every_worker_gets_requests,
    a_stop_under_load_answers_every_request_that_began,
}

fn options(mode: Mode) -> Options {
    Options::app("workers:app").workers(mode, 2).flag("--no-access-log").flag("--reuse-port")
}

fn every_worker_gets_requests(mode: Mode) {
    let server = Server::start(options(mode));
    let load = Load::on(&server, 6);
    eventually("both workers answer", || (load.workers().len() == 2).then_some(()));
    load.wait_answered(200);
    load.finish();
}

fn a_stop_under_load_answers_every_request_that_began(mode: Mode) {
    let mut server = Server::start(options(mode));
    let load = Load::on(&server, 6);
    load.wait_answered(200);
    load.server_stops();
    server.sigterm();
    load.finish_with_server();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn kill_worker(worker: &str) {
    kill(Pid::from_raw(pid_of(worker).cast_signed()), Signal::SIGKILL).expect("the worker runs");
}

#[test]
fn connections_to_a_worker_that_has_died_wait_for_the_next() {
    let server = Server::start(options(Mode::Process));
    let dead = server.client_of_each(2).into_keys().next().expect("two workers");
    kill_worker(&dead);
    server.wait_children(1);
    // About half of them reach the socket that no worker accepts from at the moment.
    let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_ne!(client.get("/who").response().expect(200).text(), dead);
    }
}

#[test]
fn a_worker_that_is_given_up_leaves_every_connection_to_the_other() {
    let server = Server::start(options(Mode::Process).with("--respawn-limit", "1"));
    let mut workers = server.client_of_each(2).into_keys();
    let (dead, good) = (workers.next().expect("two workers"), workers.next().expect("two workers"));
    kill_worker(&dead);
    let next = eventually("the worker is started again and serves", || {
        let mut seen = server.who(8).into_iter().map(|(name, _)| name);
        seen.find(|name| *name != dead && *name != good)
    });
    kill_worker(&next);
    server.wait_stderr("given up");
    for _ in 0..100 {
        assert_eq!(server.get("/who").expect(200).text(), good);
    }
}

#[test]
fn the_port_is_the_same_for_all_when_the_system_chooses_it() {
    let server = Server::start(options(Mode::Process));
    assert_eq!(server.addresses().len(), 1, "{:?}", server.addresses());
    server.client_of_each(2);
}
