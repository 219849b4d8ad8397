//! The lifespan of many workers: once for each copy of the application, or as `--lifespan-scope` says.

use nix::sys::signal::Signal;
use pounce_tests::modes::pid_of;
use pounce_tests::{Client, Mode, Options, Server, in_modes};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

in_modes! { process Process:
    each_request_has_a_shallow_copy_of_the_state,
    own_copies_have_a_lifespan_each,
    one_lifespan_can_serve_all_copies
}
in_modes! { thread Thread: each_request_has_a_shallow_copy_of_the_state }
in_modes! { subinterpreter Subinterpreter:
    each_request_has_a_shallow_copy_of_the_state,
    own_copies_have_a_lifespan_each,
    one_lifespan_can_serve_all_copies
}

fn start(app: &str, mode: Mode, extra: &[(&str, &str)]) -> Server {
    let options = Options::app(app).workers(mode, 2).flag("--no-access-log");
    Server::start(extra.iter().fold(options, |options, (name, value)| options.with(name, value)))
}

/// The workers that recorded `event`, in order.
fn logged(server: &Server, event: &str) -> Vec<String> {
    let log = std::fs::read_to_string(server.directory().join("life.log")).unwrap_or_default();
    let lines = log.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(name, _)| *name == event).map(|(_, worker)| worker.to_owned()).collect()
}

fn set(workers: Vec<String>) -> BTreeSet<String> {
    let count = workers.len();
    let set: BTreeSet<_> = workers.into_iter().collect();
    assert_eq!(set.len(), count, "the same worker twice");
    set
}

fn stop(server: &mut Server) {
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

fn state_of(client: &mut Client) -> Value {
    client.get("/state").response().expect(200).json()["state"].clone()
}

#[test]
fn threads_that_share_the_application_share_its_lifespan() {
    let mut server = start("worker_life:app", Mode::Thread, &[]);
    assert_eq!(logged(&server, "startup").len(), 1);
    for mut client in server.client_of_each(2).into_values() {
        let state = state_of(&mut client);
        assert_eq!(state["number"], 7);
        // They share the interpreter, so that values that JSON cannot carry are there too.
        assert!(state["handle"].as_str().is_some_and(|shown| shown.contains("object")), "{state}");
    }
    stop(&mut server);
    assert_eq!(logged(&server, "startup").len(), 1);
    assert_eq!(logged(&server, "shutdown").len(), 1);
}

fn own_copies_have_a_lifespan_each(mode: Mode) {
    let mut server = start("worker_life:app", mode, &[]);
    // Before the first request, because the server reports that it is ready.
    let started = set(logged(&server, "startup"));
    assert_eq!(started.len(), 2, "{started:?}");
    let mut clients = server.client_of_each(2);
    assert_eq!(clients.keys().cloned().collect::<BTreeSet<_>>(), started, "on the loop that serves");
    for client in clients.values_mut() {
        let state = state_of(client);
        assert_eq!(state["number"], 7);
        assert!(state["handle"].as_str().is_some_and(|shown| shown.contains("object")), "{state}");
    }
    assert_eq!(logged(&server, "shutdown"), [""; 0]);
    stop(&mut server);
    assert_eq!(set(logged(&server, "shutdown")), started);
    assert_eq!(logged(&server, "startup").len(), 2);
}

fn one_lifespan_can_serve_all_copies(mode: Mode) {
    let mut server = start("worker_life:app", mode, &[("--lifespan-scope", "server")]);
    let stderr = server.stderr();
    let warning = stderr.lines().find(|line| line.contains("handle"));
    let warning = warning.unwrap_or_else(|| panic!("no line names what cannot be handed over: {stderr}"));
    assert!(!warning.contains("nested"), "{warning}");
    let expected = json!({"number": 7, "nested": {"list": []}});
    let have_the_state = |clients: BTreeMap<String, Client>| {
        for mut client in clients.into_values() {
            assert_eq!(state_of(&mut client), expected);
        }
    };
    have_the_state(server.client_of_each(2));
    assert_eq!(logged(&server, "startup").len(), 1);

    let before = server.wait_workers(2, &BTreeSet::new());
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    let after = server.wait_workers(2, &before);
    have_the_state(server.client_of_each(2));
    if mode == Mode::Process {
        let dead = after.first().expect("two workers").clone();
        let pid = nix::unistd::Pid::from_raw(pid_of(&dead).cast_signed());
        nix::sys::signal::kill(pid, Signal::SIGKILL).expect("the worker runs");
        server.wait_workers(2, &BTreeSet::from([dead]));
        have_the_state(server.client_of_each(2));
    }
    assert_eq!(logged(&server, "startup").len(), 1, "once for the whole server");
    assert_eq!(logged(&server, "shutdown"), [""; 0]);
    stop(&mut server);
    assert_eq!(logged(&server, "shutdown").len(), 1);
}

fn each_request_has_a_shallow_copy_of_the_state(mode: Mode) {
    let server = start("worker_life:app", mode, &[]);
    let (_, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    let changed = client.get("/change").response().expect(200).json()["state"].clone();
    assert_eq!((&changed["number"], &changed["added"]), (&json!(8), &json!(true)));
    let next = state_of(&mut client);
    assert_eq!((&next["number"], &next["added"]), (&json!(7), &Value::Null));
    // Objects in the state are shared.
    assert_eq!(next["nested"]["list"], json!([1]));
}

#[test]
fn threads_can_have_an_application_and_a_lifespan_each_out_of_a_factory() {
    for app in ["worker_life:make()", "worker_life:make"] {
        let mut extra = vec![("--lifespan-scope", "worker")];
        if !app.ends_with("()") {
            // The flag takes no value; the next argument is another option.
            extra.insert(0, ("--factory", "--no-server-header"));
        }
        let mut server = start(app, Mode::Thread, &extra);
        let started = set(logged(&server, "startup"));
        assert_eq!(started.len(), 2, "{started:?}");
        let mut clients = server.client_of_each(2);
        assert_eq!(clients.keys().cloned().collect::<BTreeSet<_>>(), started, "on the loop that serves");
        let mut apps = BTreeSet::new();
        for (worker, client) in &mut clients {
            let text = client.get("/app").response().expect(200).text();
            let (name, app) = text.split_once(' ').expect("a worker and its application");
            assert_eq!(name, worker);
            apps.insert(app.to_owned());
        }
        assert_eq!(apps.len(), 2, "the same application twice");
        drop(clients);
        stop(&mut server);
        assert_eq!(set(logged(&server, "shutdown")), started);
    }
}

#[test]
fn threads_cannot_have_a_lifespan_each_without_a_factory() {
    let options = Options::app("worker_life:app").workers(Mode::Thread, 2);
    let exit = Server::run(options.with("--lifespan-scope", "worker"));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("lifespan-scope") && exit.stderr.contains("factory"), "{}", exit.stderr);
    assert!(!exit.stderr.contains(" ready: "), "{}", exit.stderr);
}

#[test]
fn an_invalid_lifespan_scope_is_refused() {
    let exit = Server::run(Options::app("worker_life:app").with("--lifespan-scope", "planet"));
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("planet"), "{}", exit.stderr);
}
