//! A worker that is stuck in the application: the log shows its stack, and it is replaced if possible.

use pounce_tests::options::apps;
use pounce_tests::{Client, Mode, Options, Server, eventually, in_every_mode};
use std::collections::BTreeSet;

in_every_mode! {
    the_stack_of_a_stuck_worker_is_shown_and_the_other_serves,
    a_block_that_is_short_is_left_alone,
    a_worker_that_does_not_come_back_does_not_keep_the_server_from_stopping,
}

fn start(mode: Mode, extra: &[(&str, &str)]) -> Server {
    let options = Options::app("workers:app").workers(mode, 2).flag("--no-access-log");
    Server::start(extra.iter().fold(options, |options, (name, value)| options.with(name, value)))
}

/// A worker that blocks for `seconds`, and the connection of that request.
fn block(server: &Server, seconds: &str) -> (String, Client) {
    let (stuck, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    client.get(&format!("/block/{seconds}/blocked"));
    eventually("one is stuck", || server.directory().join("blocked").exists().then_some(()));
    (stuck, client)
}

/// Waits until standard error shows the line of the application that blocks.
fn shows_the_stack(server: &Server) {
    let source = std::fs::read_to_string(apps().join("workers.py")).expect("the application is there");
    let line =
        source.lines().position(|line| line.contains("# stuck here")).expect("it has a line that blocks");
    let line = format!("line {}", line + 1);
    eventually("the stack is shown", || {
        let stderr = server.stderr();
        stderr.lines().any(|shown| shown.contains("workers.py") && shown.contains(&line)).then_some(())
    });
}

fn the_stack_of_a_stuck_worker_is_shown_and_the_other_serves(mode: Mode) {
    // Only a process can be replaced; otherwise wait for the end of the block.
    let seconds = if mode == Mode::Process { "3600" } else { "5" };
    let server = start(mode, &[("--timeout-worker-healthcheck", "2")]);
    let (stuck, mut client) = block(&server, seconds);
    shows_the_stack(&server);
    for _ in 0..20 {
        assert_ne!(server.get("/who").expect(200).text(), stuck);
    }
    if mode == Mode::Process {
        assert_eq!(client.rest(), b"");
        server.wait_workers(2, &BTreeSet::from([stuck]));
        server.wait_children(2);
    } else {
        assert_eq!(client.response().expect(200).text(), stuck);
        let workers = server.wait_workers(2, &BTreeSet::new());
        assert!(workers.contains(&stuck), "it came back and is gone: {workers:?}");
    }
}

fn a_block_that_is_short_is_left_alone(mode: Mode) {
    let server = start(mode, &[("--timeout-worker-healthcheck", "30")]);
    let before = server.wait_workers(2, &BTreeSet::new());
    let (stuck, mut client) = block(&server, "3");
    assert_eq!(client.response().expect(200).text(), stuck);
    assert_eq!(server.wait_workers(2, &BTreeSet::new()), before);
    assert!(!server.stderr().contains("workers.py"), "{}", server.stderr());
}

fn a_worker_that_does_not_come_back_does_not_keep_the_server_from_stopping(mode: Mode) {
    let mut server = start(mode, &[("--timeout-graceful-shutdown", "1")]);
    let children = server.children();
    let (_, mut client) = block(&server, "3600");
    server.sigterm();
    server.wait_exit();
    assert_eq!(client.rest(), b"");
    server.left_nothing(&children);
}
