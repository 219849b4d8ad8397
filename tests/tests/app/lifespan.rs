//! The lifespan: startup before the first request, shutdown after the last, its failures, and its state.

use pounce_tests::{Exit, Options, Server, eventually};
use serde_json::json;
use std::fs;

fn could_not_start(options: Options, part: &str) -> Exit {
    let exit = Server::run(options);
    assert_eq!(exit.code, Some(3), "{exit:?}");
    assert!(exit.stderr.contains(part), "{part:?} not in\n{}", exit.stderr);
    assert!(!exit.stderr.contains(" ready: "), "{}", exit.stderr);
    exit
}

fn log(server: &Server) -> Vec<String> {
    let log = fs::read_to_string(server.directory().join("lifespan.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

#[test]
fn an_application_is_started_once_and_stopped_once() {
    let mut server = Server::start(Options::app("lifespan:recorded"));
    server.get("/show").expect(200);
    let started = log(&server);
    assert_eq!(started, ["scope version=3.0 spec_version=2.0", "lifespan.startup"]);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    assert_eq!(log(&server)[2..], ["lifespan.shutdown", "cleaned up", "returned"]);
}

#[test]
fn a_startup_that_fails_says_why() {
    could_not_start(Options::app("lifespan:failed"), "no database at db.example");
    could_not_start(Options::app("lifespan:failed").with("--lifespan", "on"), "no database at db.example");
}

#[test]
fn an_application_without_lifespan_is_served() {
    for app in ["lifespan:unaware", "lifespan:returns", "lifespan:raises_at_startup"] {
        let mut server = Server::start(Options::app(app));
        server.get("/show").expect(200);
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0), "{app}");
    }
}

/// The output of a server that served an application and was stopped.
fn printed(app: &str) -> String {
    let mut server = Server::start(Options::app(app));
    server.get("/show").expect(200);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{app}: {exit:?}");
    exit.stderr
}

#[test]
fn an_application_that_refuses_the_lifespan_is_served_silently() {
    for app in [
        "unaware",
        "returns",
        "refuses_the_message",
        "refuses_the_type",
        "knows_no_types",
        "looks_at_nothing",
    ] {
        let stderr = printed(&format!("lifespan:{app}"));
        assert!(!stderr.contains("Traceback") && !stderr.contains("without its lifespan"), "{stderr}");
    }
}

#[test]
fn a_fault_in_a_startup_that_is_done_without_is_shown() {
    for (app, fault) in
        [("raises_at_once", "AttributeError: 'dict'"), ("raises_at_startup", "the startup broke")]
    {
        let stderr = printed(&format!("lifespan:{app}"));
        let (_, said) =
            stderr.split_once(" INFO the application is served without its lifespan").expect(&stderr);
        assert!(
            said.contains("Traceback") && said.contains(fault) && said.contains("in raises_at_"),
            "{stderr}"
        );
    }
}

#[test]
fn an_exception_in_a_lifespan_that_runs_is_shown_when_it_happens() {
    let mut server = Server::start(Options::app("lifespan:raises_while_it_runs"));
    server.wait_stderr("RuntimeError: the pool broke");
    server.get("/show").expect(200);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for part in
        ["ERROR the application's lifespan raised an exception while it ran", "in raises_while_it_runs"]
    {
        assert_eq!(exit.stderr.matches(part).count(), 1, "{part:?} once in {}", exit.stderr);
    }
    let stderr = printed("lifespan:raises_after_shutdown");
    assert!(stderr.contains("ERROR the application's lifespan raised"), "{stderr}");
    assert!(stderr.contains("RuntimeError: the clean-up broke"), "{stderr}");
}

#[test]
fn when_lifespan_is_on_an_application_that_raises_is_not_served() {
    could_not_start(Options::app("lifespan:unaware").with("--lifespan", "on"), "only http here");
    could_not_start(Options::app("lifespan:raises_at_startup").with("--lifespan", "on"), "the startup broke");
}

#[test]
fn when_lifespan_is_off_the_application_is_not_asked() {
    let mut server = Server::start(Options::app("lifespan:failed").with("--lifespan", "off"));
    server.get("/show").expect(200);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_startup_that_takes_too_long_is_given_up() {
    let slow = Options::app("lifespan:slow").with("--timeout-startup", "1");
    could_not_start(slow, "startup");
}

#[test]
fn a_startup_that_blocks_the_loop_is_given_up_too() {
    let blocked = Options::app("lifespan:blocks_at_startup").with("--timeout-startup", "1");
    could_not_start(blocked, "startup");
}

#[test]
fn no_request_is_answered_before_the_startup_is_complete() {
    let mut server = Server::spawn(Options::app("lifespan:slow").env("STARTUP_SECONDS", "1.5"));
    eventually("the startup has begun", || (!log(&server).is_empty()).then_some(()));
    assert!(!server.stderr().contains(" ready: "), "{}", server.stderr());
    server.wait_ready();
    assert_eq!(log(&server), ["starting", "started"]);
    server.get("/show").expect(200);
}

#[test]
fn a_server_can_be_stopped_while_it_starts() {
    let mut server = Server::spawn(Options::app("lifespan:slow").with("--timeout-startup", "3600"));
    eventually("the startup has begun", || (!log(&server).is_empty()).then_some(()));
    server.sigterm();
    let exit = server.wait_exit();
    assert!(!exit.stderr.contains(" ready: ") && !exit.stderr.contains("panicked"), "{}", exit.stderr);
}

#[test]
fn a_shutdown_that_fails_is_reported_and_the_server_stops() {
    for (app, part) in [
        ("lifespan:shutdown_failed", "could not flush the queue"),
        ("lifespan:raises_at_shutdown", "the shutdown broke"),
    ] {
        let mut server = Server::start(Options::app(app));
        server.get("/show").expect(200);
        server.sigterm();
        let exit = server.wait_exit();
        assert!(exit.stderr.contains(part), "{part:?} not in\n{}", exit.stderr);
    }
}

#[test]
fn requests_have_the_state_of_the_startup_in_copies_of_their_own() {
    let server = Server::start(Options::app("lifespan:stateful"));
    let state = || server.get("/show").expect(200).json()["state"].clone();
    assert_eq!(state(), json!({"top": "initial", "list": []}));
    let changed = server.get("/change").expect(200).json();
    assert_eq!(changed, json!({"top": "changed", "added": true, "list": [0]}));
    // The copy is shallow: objects in the state are shared, the state itself is not.
    assert_eq!(state(), json!({"top": "initial", "list": [0]}));
    let mut client = server.connect();
    client.get("/change").response().expect(200);
    let same_connection = client.get("/show").response().expect(200).json()["state"].clone();
    assert_eq!(same_connection, json!({"top": "initial", "list": [0, 1]}));
}

#[test]
fn the_startup_runs_on_the_loop_that_serves_requests() {
    let server = Server::start(Options::app("lifespan:background"));
    let ticks = || {
        let ticks = server.get("/").expect(200).json()["ticks"].clone();
        assert_eq!(ticks[1], true, "another loop");
        ticks[0].as_u64().expect("a number")
    };
    let first = ticks();
    eventually("the task of the startup goes on", || (ticks() > first).then_some(()));
}

#[test]
fn the_shutdown_comes_after_the_last_response() {
    let mut server = Server::start(Options::app("lifespan_order:app"));
    let mut client = server.connect();
    client.get("/slow");
    eventually("the request runs", || log(&server).contains(&"request".to_owned()).then_some(()));
    server.sigterm();
    client.response().expect(200);
    assert_eq!(server.wait_exit().code, Some(0));
    assert_eq!(log(&server), ["startup", "request", "response", "shutdown"]);
}
