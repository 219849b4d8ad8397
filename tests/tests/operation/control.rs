//! The control socket: `pounce ctl` and `pounce top`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use pounce_tests::modes::Mode;
use pounce_tests::options::binary;
use pounce_tests::wait::eventually;
use pounce_tests::{Client, Options, Project, Server, in_every_mode};
use serde_json::Value;

fn options(options: Options) -> Options {
    options.with("--control", "control.sock")
}

/// Runs a command of the program in the server's directory.
fn pounce(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(server.directory());
    command.env_clear().env("POUNCE_CONTROL", "control.sock").output().expect("it runs")
}

/// The output of a command that succeeds.
fn said(server: &Server, arguments: &[&str]) -> String {
    let output = pounce(server, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}\n{}", server.stderr());
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(server: &Server, arguments: &[&str]) -> Value {
    let text = said(server, &[&["ctl"], arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The error of a command that fails.
fn refused(server: &Server, arguments: &[&str], code: i32) -> String {
    let output = pounce(server, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    stderr
}

in_every_mode! {
    a_server_shows_what_it_does,
    workers_are_replaced_added_and_removed,
}

fn a_server_shows_what_it_does(mode: Mode) {
    let server = Server::start(options(Options::app("workers:app")).workers(mode, 2));
    let status = json(&server, &["status"]);
    assert_eq!(status["process"], server.pid());
    assert_eq!((&status["workers"], &status["ready"]), (&Value::from(2), &Value::from(true)));
    let shown = said(&server, &["ctl", "status"]);
    assert!(shown.contains("workers:app on http://") && shown.contains("\n2 workers, 0 restarts"), "{shown}");

    let mut sleeping = server.connect();
    sleeping.get("/sleep/60/file");
    let mut blocking = server.connect();
    eventually("the first runs", || {
        (json(&server, &["requests"]).as_array().map(Vec::len) == Some(1)).then_some(())
    });
    blocking.get("/block/3/file");
    eventually("both run, and the stack of one is shown", || {
        let requests = json(&server, &["requests"]);
        let paths: Vec<_> =
            requests.as_array()?.iter().filter_map(|request| request["path"].as_str()).collect();
        (paths == ["/sleep/60/file", "/block/3/file"]).then_some(())?;
        said(&server, &["ctl", "stack"]).contains("in block").then_some(())
    });
    let table = said(&server, &["ctl", "requests"]);
    assert!(table.starts_with("RUNS FOR  WORKER  METHOD  PATH\n"), "{table}");
    let workers = json(&server, &["workers"]);
    let workers = workers.as_array().expect("a list");
    assert_eq!(workers.len(), 2, "{workers:?}");
    assert_eq!(workers.iter().filter_map(|worker| worker["in_flight"].as_u64()).sum::<u64>(), 2);
    blocking.response().expect(200);
    // A worker has answered a moment before it waits again.
    eventually("both wait", || {
        let stacks = said(&server, &["ctl", "stack"]);
        (stacks.matches("waits for events").count() == 2).then_some(())
    });
}

fn workers_are_replaced_added_and_removed(mode: Mode) {
    let project = Project::default();
    let mut server = Server::start(options(project.options().workers(mode, 2)));
    server.serves_only("first");
    project.set_text("second");
    assert_eq!(said(&server, &["ctl", "reload"]), "reloaded: all workers serve the new code\n");
    server.serves_only("second");
    let generations = json(&server, &["workers"]);
    let is_new = |worker: &Value| worker["generation"] == 1 || worker["phase"] == "draining";
    assert!(generations.as_array().is_some_and(|workers| workers.iter().all(is_new)), "{generations}");

    project.break_it("a typing error");
    let error = refused(&server, &["ctl", "reload"], 1);
    assert!(error.contains("a typing error"), "{error}");
    server.serves_only("second");
    project.set_text("third");
    said(&server, &["ctl", "reload"]);
    server.serves_only("third");

    for count in [4, 1, 3] {
        said(&server, &["ctl", "scale", &count.to_string()]);
        eventually("so many serve", || (json(&server, &["status"])["workers"] == count).then_some(()));
    }
    said(&server, &["ctl", "stop"]);
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stderr.contains("Stopping: finishing running requests"), "{}", exit.stderr);
    assert!(!server.directory().join("control.sock").exists(), "the socket is left");
    let error = refused(&server, &["ctl", "status"], 1);
    assert!(error.contains("no server listens at the control socket control.sock"), "{error}");
}

#[test]
fn a_single_worker_is_controlled_as_well() {
    let project = Project::default();
    let server = Server::start(options(project.options()).with("--health-path", "/healthz"));
    project.set_text("second");
    said(&server, &["ctl", "reload"]);
    server.serves_only("second");
    project.break_it("a typing error");
    assert!(refused(&server, &["ctl", "reload"], 1).contains("a typing error"));
    assert!(refused(&server, &["ctl", "scale", "2"], 1).contains("start it with --workers 2 or more"));
    eventually("the worker waits", || {
        said(&server, &["ctl", "stack"]).contains("worker 0 waits for events").then_some(())
    });

    said(&server, &["ctl", "drain"]);
    assert_eq!(server.get("/healthz").status, 503);
    server.serves_only("second");
    assert_eq!(json(&server, &["status"])["ready"], false);
    said(&server, &["ctl", "ready"]);
    assert_eq!(server.get("/healthz").status, 200);
    for (arguments, error) in [
        (&["ctl", "scale", "0"][..], "0 is not in 1..=1024"),
        (&["ctl", "dance"], "unrecognized subcommand 'dance'"),
        (&["ctl"], "requires a subcommand"),
        (&["ctl", "log-level", "loud"], "[possible values: critical"),
        (&["top", "--interval", "0"], "expected seconds from 0.1 to 3600"),
    ] {
        let said = refused(&server, arguments, 2);
        assert!(said.contains(error), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reload_is_answered_for_itself_and_for_no_other() {
    for workers in [1, 2] {
        let folder = tempfile::TempDir::new().expect("temporary directories can be made");
        let wait = folder.path().join("wait");
        let module = "import os, time\nopen('imports', 'a').write('x')\nwhile os.path.exists('wait'): time.sleep(0.01)\n\
            async def app(scope, receive, send):\n    raise RuntimeError\n";
        fs::write(folder.path().join("main.py"), module).expect("it can be written");
        fs::write(&wait, "").expect("it can be written");
        let bare = Options::bare().directory(folder.path()).flag("main:app").with("--port", "0");
        let bare = options(bare.with("--lifespan", "off"));
        let server = Server::spawn(if workers == 1 { bare } else { bare.workers(Mode::Process, workers) });
        let tries = || String::from_utf8_lossy(&pounce(&server, &["ctl", "reload"]).stderr).into_owned();
        eventually("a server that starts is not reloaded", || {
            tries().contains("has not started yet").then_some(())
        });
        fs::remove_file(&wait).expect("it is there");
        server.wait_stderr("Pounce");
        server.wait_stderr(" ready: ");
        fs::write(&wait, "").expect("it can be written");
        let imports = || fs::metadata(folder.path().join("imports")).expect("it has been imported").len();
        let before = imports();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| said(&server, &["ctl", "reload"]));
            eventually("the first is under way", || (imports() > before).then_some(()));
            let second = refused(&server, &["ctl", "reload"], 1);
            assert!(second.contains("a reload is under way already"), "{second}");
            fs::remove_file(&wait).expect("it is there");
            assert!(first.join().expect("no panic").contains("reloaded"));
        });
    }
}

#[test]
fn the_level_of_the_log_changes_for_workers_that_run_and_that_start() {
    let options = options(Options::app("workers:app")).workers(Mode::Process, 2);
    let server = Server::start(options.flag("--proxy-protocol"));
    // What is no header of the PROXY protocol is logged at level debug.
    let disturb = || {
        let mut client = server.connect();
        client.send("nonsense\r\n");
        client.expect_closed();
    };
    disturb();
    assert!(!server.stderr().contains("DEBUG"), "{}", server.stderr());
    said(&server, &["ctl", "log-level", "debug"]);
    eventually("it is logged", || {
        disturb();
        server.stderr().contains("DEBUG").then_some(())
    });
    said(&server, &["ctl", "log-level", "warning"]);
    let before = server.stderr().matches(" INFO ").count();
    said(&server, &["ctl", "reload"]);
    assert_eq!(server.stderr().matches(" INFO ").count(), before, "{}", server.stderr());
}

#[test]
fn curl_can_use_it_and_other_paths_are_refused() {
    let server = Server::start(options(Options::app("workers:app")));
    let path = server.directory().join("control.sock");
    let ask = |request: &str| {
        let mut client = Client::unix(&path);
        client.send(format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        client.response()
    };
    let status = ask("GET /status").expect(200);
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert_eq!(status.json()["workers"], 1);
    for (request, code) in [
        ("GET /", 404),
        ("POST /status", 405),
        ("GET /stop", 405),
        ("POST /scale", 400),
        ("POST /scale?workers=1e9", 400),
        ("POST /log-level?level=Debug", 400),
    ] {
        let refused = ask(request).expect(code);
        assert!(refused.json()["error"].is_string(), "{request}");
    }
    server.get("/version").expect(200);
}

#[test]
fn other_users_are_refused() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root can become another user");
    }
    let server = Server::start(options(Options::app("workers:app")));
    let path = server.directory().join("control.sock");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(server.directory(), Permissions::from_mode(0o755)).expect("ours");
    let nobody = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--unix-socket"]).arg(&path).arg("http://localhost/status");
        curl.uid(65_534).gid(65_534).output().expect("curl is installed")
    };
    let refused = nobody();
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    // Not even where the file's permissions allow it.
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("ours");
    let refused = nobody();
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    server.wait_stderr("refused a connection from another user");
    said(&server, &["ctl", "status"]);
}

#[test]
fn top_prints_lines_where_there_is_no_terminal() {
    let server = Server::start(options(Options::app("workers:app")));
    server.get("/version").expect(200);
    let lines = said(&server, &["top", "--interval", "0.1", "--count", "3"]);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines.lines().all(|line| line.contains(" requests/s, p50 ") && line.contains("1 worker,")),
        "{lines}"
    );
}

#[test]
fn modules_with_the_names_of_commands_are_served_by_their_attribute() {
    let folder = tempfile::TempDir::new().expect("temporary directories can be made");
    let app = "async def app(scope, receive, send):\n    \
               await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    \
               await send({'type': 'http.response.body', 'body': b'top'})\n";
    fs::write(folder.path().join("top.py"), app).expect("it can be written");
    let options = Options::bare().directory(folder.path()).flag("top:app").with("--port", "0");
    assert_eq!(Server::start(options.with("--lifespan", "off")).get("/").expect(200).text(), "top");
}

#[test]
fn a_control_socket_of_a_server_that_was_killed_is_replaced() {
    let folder = tempfile::TempDir::new().expect("temporary directories can be made");
    let start = || Server::start(options(Options::app("workers:app").directory(folder.path())));
    let mut server = start();
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    assert!(folder.path().join("control.sock").exists());
    let server = start();
    said(&server, &["ctl", "status"]);
}
