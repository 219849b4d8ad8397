//! Stopping many workers: under load, twice, from a terminal, and when the supervisor itself is killed.
//! No request that began is lost, and nothing is left behind.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use pounce_tests::family::{members, runs};
use pounce_tests::{Client, Load, Mode, Options, Server, eventually, in_every_mode};
use std::net::TcpListener;

in_every_mode! {
    under_load_every_request_that_began_is_answered,
    a_second_signal_stops_at_once,
    a_signal_to_the_whole_group_drains,
    a_request_that_outlives_the_time_to_drain_is_cut_off,
    a_stop_in_the_middle_of_a_reload_is_a_stop,
}

fn start(mode: Mode, drain: &str) -> Server {
    let options = Options::app("workers:app").workers(mode, 2).flag("--no-access-log");
    Server::start(options.with("--timeout-graceful-shutdown", drain))
}

/// A request of `seconds` in progress in every worker.
fn sleep_in_each(server: &Server, seconds: &str) -> Vec<(String, Client)> {
    let mut clients: Vec<_> = server.client_of_each(2).into_iter().collect();
    for (number, (_, client)) in clients.iter_mut().enumerate() {
        client.get(&format!("/sleep/{seconds}/slept{number}"));
        let file = server.directory().join(format!("slept{number}"));
        eventually("the request is under way", || file.exists().then_some(()));
    }
    clients
}

fn refuses_connections(server: &Server) {
    let address = server.address();
    eventually("new connections are refused", || Client::try_tcp(address).err().map(|_| ()));
}

/// The server's child processes, as many as the mode needs.
fn children(mode: Mode, server: &Server) -> Vec<u32> {
    let children = server.children();
    assert_eq!(children.len(), if mode == Mode::Process { 2 } else { 0 });
    children
}

fn under_load_every_request_that_began_is_answered(mode: Mode) {
    for _ in 0..2 {
        let mut server = start(mode, "10");
        let children = children(mode, &server);
        let load = Load::on(&server, 8);
        load.wait_answered(300);
        load.server_stops();
        server.sigterm();
        load.finish_with_server();
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        server.left_nothing(&children);
    }
}

fn a_second_signal_stops_at_once(mode: Mode) {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = start(mode, "3600");
        let children = children(mode, &server);
        let clients = sleep_in_each(&server, "3600");
        server.sigterm();
        refuses_connections(&server);
        assert!(server.is_running());
        server.signal(second);
        server.wait_exit();
        for (_, mut client) in clients {
            client.expect_closed();
        }
        // The server does not wait for them: worker processes end because it is gone.
        eventually("the workers have ended", || children.iter().all(|pid| !runs(*pid)).then_some(()));
        server.left_nothing(&children);
    }
}

fn a_signal_to_the_whole_group_drains(mode: Mode) {
    // A terminal sends SIGINT to the group, a service manager SIGTERM.
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut server = start(mode, "30");
        let children = children(mode, &server);
        let clients = sleep_in_each(&server, "1");
        killpg(Pid::from_raw(server.pid().cast_signed()), signal).expect("the group is there");
        for (worker, mut client) in clients {
            let response = client.response().expect(200);
            assert_eq!(response.text(), worker);
            assert!(response.says_close(), "{response:?}");
            client.expect_closed();
        }
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{signal}: {}", exit.stderr);
        assert!(!exit.stderr.contains("KeyboardInterrupt"), "{signal}: {}", exit.stderr);
        server.left_nothing(&children);
    }
}

fn a_request_that_outlives_the_time_to_drain_is_cut_off(mode: Mode) {
    let mut server = start(mode, "1");
    let children = children(mode, &server);
    let clients = sleep_in_each(&server, "3600");
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    for (_, mut client) in clients {
        assert!(!client.rest().starts_with(b"HTTP/1.1 2"));
    }
    server.left_nothing(&children);
}

fn a_stop_in_the_middle_of_a_reload_is_a_stop(mode: Mode) {
    let mut server = start(mode, "10");
    let load = Load::on(&server, 4);
    load.wait_answered(100);
    server.signal(Signal::SIGHUP);
    let children = server.children();
    load.server_stops();
    server.sigterm();
    load.finish_with_server();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&children);
}

#[test]
fn workers_end_with_a_supervisor_that_is_killed() {
    let mut server = start(Mode::Process, "3600");
    let children = children(Mode::Process, &server);
    let mut clients = sleep_in_each(&server, "3600");
    // A worker that cannot even notice that its supervisor has ended.
    let (_, mut stuck) = server.client_of_each(2).pop_first().expect("two workers");
    stuck.get("/block/3600/blocked");
    eventually("a worker is stuck", || server.directory().join("blocked").exists().then_some(()));
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    eventually("no worker is left", || (!children.iter().any(|pid| runs(*pid))).then_some(()));
    assert_eq!(members(server.pid()), [0; 0]);
    eventually("the port is free", || TcpListener::bind(server.address()).ok());
    for (_, client) in &mut clients {
        assert!(!client.rest().starts_with(b"HTTP/1.1 2"));
    }
}
