//! A hundred workers that start and end leave nothing behind in the server's process.

use nix::sys::signal::Signal;
use pounce_tests::family::thread_count;
use pounce_tests::{Mode, Options, Server, eventually};
use std::collections::BTreeSet;

/// Reloads until `until` reloads have completed since the start.
fn reload(server: &Server, done: &mut usize, until: usize) {
    while *done < until {
        *done += 1;
        server.signal(Signal::SIGHUP);
        server.wait_stderr_times("Reloaded", *done);
    }
}

/// Reloads `reloads` times, and shows that descriptors and threads are as many as after the first few.
fn stays_flat(mode: Mode, workers: usize, reloads: usize, memory: Option<u64>) {
    let options = Options::app("workers:app").workers(mode, workers).flag("--no-access-log");
    let mut server = Server::start(options);
    let mut done = 0;
    reload(&server, &mut done, 3);
    let first = server.wait_workers(workers, &BTreeSet::new());
    // The threads and pipes of the previous generation may take a moment to end.
    let steady = |server: &Server| {
        let mut last = (0, 0);
        eventually("descriptors and threads come to rest", || {
            let now = (server.fd_count(), thread_count(server.pid()));
            let before = std::mem::replace(&mut last, now);
            std::thread::sleep(std::time::Duration::from_millis(300));
            (before == now).then_some(now)
        })
    };
    let (descriptors, threads) = steady(&server);
    let before = server.rss_kib();
    reload(&server, &mut done, 3 + reloads);
    server.wait_fd_count(descriptors);
    eventually(&format!("{threads} threads or fewer"), || {
        (thread_count(server.pid()) <= threads).then_some(())
    });
    let growth = server.rss_kib().saturating_sub(before);
    assert!(memory.is_none_or(|limit| growth < limit), "grew by {growth} KiB over {reloads} reloads");

    server.wait_workers(workers, &first);
    server.wait_children(if mode == Mode::Process { workers } else { 0 });
    assert!(server.is_running());
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{}", exit.stderr);
    server.left_nothing(&[]);
}

#[test]
fn a_hundred_worker_processes() {
    stays_flat(Mode::Process, 4, 25, Some(2 * 1024));
}

#[test]
fn a_hundred_worker_threads() {
    stays_flat(Mode::Thread, 2, 50, Some(16 * 1024));
}

#[test]
fn a_hundred_subinterpreters() {
    if Mode::Subinterpreter.is_there() {
        // CPython itself keeps several MiB of each interpreter that it closes.
        stays_flat(Mode::Subinterpreter, 2, 50, None);
    }
}
