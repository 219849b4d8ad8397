//! `--reload` with many workers: an edit takes effect, a broken one leaves the old code, and no client is refused.

use pounce_tests::{Mode, Project, Server, in_every_mode};
use std::collections::BTreeSet;

in_every_mode! {
    an_edit_is_served_by_every_worker,
    a_broken_edit_is_waited_out,
    code_that_is_broken_at_the_start_can_be_repaired_or_ends_the_server,
}

fn start(project: &Project, mode: Mode) -> Server {
    let mut server = spawn(project, mode);
    server.wait_ready();
    server
}

fn spawn(project: &Project, mode: Mode) -> Server {
    let options = project.options().workers(mode, 2).flag("--no-access-log");
    Server::spawn(options.flag("--reload").with("--reload-delay", "0.1"))
}

fn an_edit_is_served_by_every_worker(mode: Mode) {
    let project = Project::default();
    let mut server = start(&project, mode);
    let mut before = server.wait_workers(2, &BTreeSet::new());
    for text in ["second", "third"] {
        project.set_text(text);
        server.wait_text(text);
        before = server.wait_workers(2, &before);
        server.serves_only(text);
    }
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    server.left_nothing(&[]);
}

fn a_broken_edit_is_waited_out(mode: Mode) {
    let project = Project::default();
    let mut server = start(&project, mode);
    for number in 0..3 {
        project.break_it(&format!("broken {number}"));
        server.wait_stderr(&format!("RuntimeError: broken {number}"));
        server.serves_only("first");
    }
    project.set_text("repaired");
    server.wait_stderr("Reloaded");
    server.wait_text("repaired");
    server.wait_workers(2, &BTreeSet::new());
    server.serves_only("repaired");
    assert!(server.is_running());
}

fn code_that_is_broken_at_the_start_can_be_repaired_or_ends_the_server(mode: Mode) {
    let project = Project::default();
    project.break_it("broken from the start");
    let mut server = spawn(&project, mode);
    server.wait_stderr("RuntimeError: broken from the start");
    project.set_text("repaired");
    // Either outcome is fine, but not a loop of failures, or silence.
    pounce_tests::eventually("it serves or ends", || {
        (!server.is_running() || server.stderr().contains(" ready: ")).then_some(())
    });
    if server.is_running() {
        server.wait_text("repaired");
    } else {
        assert_eq!(server.wait_exit().code, Some(3));
    }
}
