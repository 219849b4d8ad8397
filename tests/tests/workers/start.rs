//! Workers that cannot start: the server prints the reason once, and exits.

use pounce_tests::{Exit, Mode, Options, Server, in_every_mode};
use std::path::Path;

in_every_mode! {
    an_import_that_raises_ends_the_server_with_its_traceback,
    a_module_that_is_not_there_ends_the_server,
    a_startup_that_fails_ends_the_server_with_its_message,
    a_startup_that_takes_too_long_ends_the_server,
    a_server_can_be_stopped_while_its_workers_start,
}

fn broken(app: &str) -> Options {
    Options::app(app).app_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/broken"))
}

/// Runs two workers that cannot start, and shows that each of `parts` is printed once.
fn could_not_start(mode: Mode, options: Options, parts: &[&str]) -> Exit {
    let mut server = Server::spawn(options.workers(mode, 2));
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(3), "{exit:?}");
    for part in parts {
        assert_eq!(exit.stderr.matches(part).count(), 1, "{part:?} once in\n{}", exit.stderr);
    }
    assert!(exit.stderr.contains("error"), "{}", exit.stderr);
    for part in ["panicked", " ready: "] {
        assert!(!exit.stderr.contains(part), "{part:?} in\n{}", exit.stderr);
    }
    server.left_nothing(&[]);
    exit
}

fn an_import_that_raises_ends_the_server_with_its_traceback(mode: Mode) {
    let parts = ["Traceback", "RuntimeError: no database at import", "in connect"];
    could_not_start(mode, broken("raises:app"), &parts);
}

fn a_module_that_is_not_there_ends_the_server(mode: Mode) {
    let exit = could_not_start(mode, Options::app("no_such_module:app"), &["hint:"]);
    assert!(exit.stderr.contains("no_such_module"), "{}", exit.stderr);
}

fn a_startup_that_fails_ends_the_server_with_its_message(mode: Mode) {
    could_not_start(mode, Options::app("lifespan:failed"), &["no database at db.example"]);
}

fn a_startup_that_takes_too_long_ends_the_server(mode: Mode) {
    let slow = Options::app("lifespan:slow").with("--timeout-startup", "1");
    let exit = could_not_start(mode, slow, &[]);
    assert!(exit.stderr.contains("startup"), "{}", exit.stderr);
}

fn a_server_can_be_stopped_while_its_workers_start(mode: Mode) {
    let options = Options::app("lifespan:slow").with("--timeout-startup", "3600").workers(mode, 2);
    let mut server = Server::spawn(options);
    let log = server.directory().join("lifespan.log");
    pounce_tests::eventually("a startup has begun", || log.exists().then_some(()));
    server.sigterm();
    let exit = server.wait_exit();
    assert!(!exit.stderr.contains(" ready: ") && !exit.stderr.contains("panicked"), "{}", exit.stderr);
    server.left_nothing(&[]);
}

#[test]
fn a_process_that_exits_at_import_is_not_started_again_and_again() {
    let mut server = Server::spawn(broken("exits_hard:app").workers(Mode::Process, 2));
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(3), "{exit:?}");
    assert!(exit.stderr.contains("error") && !exit.stderr.contains(" ready: "), "{}", exit.stderr);
    let log = std::fs::read_to_string(server.directory().join("imported.log")).expect("it was imported");
    // At most once in each worker, and perhaps once more in the server.
    assert!(log.lines().count() <= 3, "imported {} times", log.lines().count());
    server.left_nothing(&[]);
}
