//! Reloading under load: the new code serves before the old code stops, and no request fails.

use nix::sys::signal::Signal;
use pounce_tests::{Load, Mode, Options, Project, Server, in_every_mode};
use std::collections::BTreeSet;

const RELOADS: usize = 20;

in_every_mode! {
    twenty_reloads_under_load_fail_no_request,
    a_broken_edit_leaves_the_old_code_and_the_repair_is_served,
    a_new_generation_replaces_every_worker,
    a_request_under_way_is_finished_by_the_old_code,
    many_signals_at_once_end_in_the_newest_code,
}

fn start(project: &Project, mode: Mode) -> Server {
    Server::start(project.options().workers(mode, 2).flag("--no-access-log"))
}

/// Reloads for the `number`th time, which must succeed.
fn reload(server: &Server, number: usize) {
    server.signal(Signal::SIGHUP);
    server.wait_stderr_times("Reloaded", number);
}

fn reloads_under_load(project: &Project, server: &mut Server) {
    let load = Load::on(server, 6);
    load.wait_answered(100);
    for number in 1..=RELOADS {
        if number == RELOADS {
            project.set_text("second");
        }
        reload(server, number);
        load.wait_answered(20);
    }
    server.serves_only("second");
    load.finish();
    assert!(server.is_running());
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn twenty_reloads_under_load_fail_no_request(mode: Mode) {
    let project = Project::default();
    let mut server = start(&project, mode);
    server.serves_only("first");
    reloads_under_load(&project, &mut server);
}

#[test]
fn twenty_reloads_of_a_single_worker_under_load_fail_no_request() {
    let project = Project::default();
    let mut server = Server::start(project.options().flag("--no-access-log"));
    server.serves_only("first");
    reloads_under_load(&project, &mut server);
}

fn survives_a_broken_edit(project: &Project, server: &Server) {
    let load = Load::on(server, 3);
    project.break_it("broken on purpose");
    server.signal(Signal::SIGHUP);
    server.wait_stderr("RuntimeError: broken on purpose");
    server.serves_only("first");
    project.edit("part.py", "TEXT = 'half a line\n");
    server.signal(Signal::SIGHUP);
    server.wait_stderr("SyntaxError");
    server.serves_only("first");
    assert!(!server.stderr().contains("Reloaded"), "{}", server.stderr());
    project.set_text("repaired");
    reload(server, 1);
    server.serves_only("repaired");
    load.wait_answered(50);
    load.finish();
}

fn a_broken_edit_leaves_the_old_code_and_the_repair_is_served(mode: Mode) {
    let project = Project::default();
    let server = start(&project, mode);
    let before = server.wait_workers(2, &BTreeSet::new());
    survives_a_broken_edit(&project, &server);
    server.wait_workers(2, &before);
}

#[test]
fn a_broken_edit_leaves_the_old_code_of_a_single_worker() {
    let project = Project::default();
    let server = Server::start(project.options());
    survives_a_broken_edit(&project, &server);
}

fn a_new_generation_replaces_every_worker(mode: Mode) {
    let project = Project::default();
    let server = start(&project, mode);
    let mut before = server.wait_workers(2, &BTreeSet::new());
    for number in 1..=3 {
        reload(&server, number);
        before = server.wait_workers(2, &before);
    }
    if mode == Mode::Process {
        server.wait_children(2);
    }
}

fn a_request_under_way_is_finished_by_the_old_code(mode: Mode) {
    let project = Project::default();
    let server = start(&project, mode);
    let mut clients = server.client_of_each(2);
    for client in clients.values_mut() {
        client.get("/hold/began/go-on");
    }
    let began = || std::fs::read_to_string(project.path().join("began")).unwrap_or_default();
    pounce_tests::eventually("both wait", || (began().lines().count() == 2).then_some(()));
    project.set_text("second");
    server.signal(Signal::SIGHUP);
    server.wait_text("second");
    server.wait_stderr_times("Replacing a worker: waiting", 2);
    std::fs::write(project.path().join("go-on"), "").expect("a file");
    for (worker, mut client) in clients {
        let response = client.response().expect(200);
        assert_eq!(response.text(), worker);
        assert!(response.says_close(), "{response:?}");
        client.expect_closed();
    }
    server.wait_stderr("Reloaded");
    server.serves_only("second");
}

fn many_signals_at_once_end_in_the_newest_code(mode: Mode) {
    let project = Project::default();
    let mut server = start(&project, mode);
    for number in 0..5 {
        project.set_text(&format!("text {number}"));
        server.signal(Signal::SIGHUP);
    }
    server.wait_text("text 4");
    assert!(server.is_running());
    server.wait_workers(2, &BTreeSet::new());
}

#[test]
fn a_worker_that_has_died_comes_back_with_the_code_of_the_others() {
    let project = Project::default();
    let server = start(&project, Mode::Process);
    project.set_text("second");
    reload(&server, 1);
    let (dead, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    client.get("/killed");
    client.rest();
    server.wait_workers(2, &BTreeSet::from([dead]));
    server.serves_only("second");
}

#[test]
fn a_reload_of_an_application_without_changes_is_no_less_a_reload() {
    let server = Server::start(Options::app("workers:app").workers(Mode::Process, 2));
    let before = server.wait_workers(2, &BTreeSet::new());
    reload(&server, 1);
    server.wait_workers(2, &before);
}
