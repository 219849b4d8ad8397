//! `--preload`: workers are forked from a process that has imported the application.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pounce_tests::family::{children, members};
use pounce_tests::modes::Mode;
use pounce_tests::{Load, Options, Project, Server, eventually};
use tempfile::TempDir;

fn preloaded(options: Options, workers: usize) -> Server {
    Server::start(options.workers(Mode::Process, workers).flag("--preload"))
}

/// The process that forks, and its workers.
fn family(server: &Server, count: usize) -> (u32, Vec<u32>) {
    eventually(&format!("{count} forked workers"), || {
        let forking = children(server.pid());
        let [fork_server] = forking[..] else { return None };
        let workers = children(fork_server);
        (workers.len() == count).then_some((fork_server, workers))
    })
}

/// The fork server ends once the server has closed its connection, which may be a moment after the server's own end.
fn nothing_is_left(server: &Server) {
    let group = server.pid();
    eventually("the fork server ends", || members(group).is_empty().then_some(()));
    server.left_nothing(&[]);
}

fn send(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.cast_signed()), signal).expect("it runs");
}

/// An application of one module in an own folder, which has `code` at its beginning.
fn application(code: &str) -> (TempDir, Options) {
    let folder = TempDir::new().expect("temporary directories can be made");
    let module = format!(
        "{code}\nimport os\n\n\nasync def app(scope, receive, send):\n    \
         assert scope['type'] == 'http'\n    \
         body = f'{{os.getpid()}}'.encode()\n    \
         await send({{'type': 'http.response.start', 'status': 200, 'headers': []}})\n    \
         await send({{'type': 'http.response.body', 'body': body}})\n"
    );
    fs::write(folder.path().join("main.py"), module).expect("it can be written");
    let options = Options::bare()
        .directory(folder.path())
        .flag("main:app")
        .with("--port", "0")
        .with("--lifespan", "off");
    (folder, options)
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn the_application_is_imported_once_for_all_workers_and_again_for_a_reload() {
    let code = "open('imports', 'a').write('imported\\n')\nprint('printed at import')";
    let (folder, options) = application(code);
    let mut server = preloaded(options, 3);
    let imports = folder.path().join("imports");
    assert_eq!(lines(&imports), 1);
    family(&server, 3);
    let answers: BTreeSet<String> = (0..50).map(|_| server.get("/").expect(200).text()).collect();
    assert!(!answers.contains(&server.pid().to_string()));
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    assert_eq!(lines(&imports), 2);
    family(&server, 3);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_eq!(exit.stdout.matches("printed at import").count(), 2, "{}", exit.stdout);
    nothing_is_left(&server);
}

#[test]
fn reloads_and_scaling_under_load_fail_no_request() {
    let project = Project::default();
    let mut server = preloaded(project.options().flag("--no-access-log"), 2);
    let load = Load::on(&server, 6);
    load.wait_answered(100);
    for number in 1..=5 {
        if number == 5 {
            project.set_text("second");
        }
        server.signal(Signal::SIGHUP);
        server.wait_stderr_times("Reloaded", number);
        load.wait_answered(20);
    }
    server.serves_only("second");
    server.signal(Signal::SIGTTIN);
    family(&server, 3);
    server.signal(Signal::SIGTTOU);
    family(&server, 2);
    load.finish();
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    nothing_is_left(&server);
}

#[test]
fn a_worker_that_dies_is_forked_again() {
    let server = preloaded(Options::app("workers:app"), 2);
    let (fork_server, workers) = family(&server, 2);
    send(workers[0], Signal::SIGKILL);
    server.wait_stderr("is lost: it ended by signal: 9 (SIGKILL)");
    let (same, now) = family(&server, 2);
    assert_eq!(same, fork_server);
    assert!(now.contains(&workers[1]) && !now.contains(&workers[0]), "{now:?}, before {workers:?}");
    assert_eq!(server.connect().get("/exit-7").rest(), b"");
    server.wait_stderr("is lost: it ended with exit status: 7");
    family(&server, 2);
    assert!(!server.stderr().contains("without --preload"), "{}", server.stderr());
}

#[test]
fn a_stuck_worker_is_replaced() {
    let server = preloaded(Options::app("workers:app").with("--timeout-worker-healthcheck", "1"), 2);
    let (_, workers) = family(&server, 2);
    server.connect().get("/block/60/file");
    server.wait_stderr("gives no sign of life");
    eventually("another worker in its place", || {
        let (_, now) = family(&server, 2);
        (now.iter().any(|worker| !workers.contains(worker))).then_some(())
    });
}

#[test]
fn without_its_fork_server_the_server_goes_on() {
    let server = preloaded(Options::app("workers:app"), 2);
    let (fork_server, workers) = family(&server, 2);
    send(fork_server, Signal::SIGKILL);
    server.wait_stderr("cannot be forked, and starts without --preload");
    let now: BTreeSet<u32> = server.wait_children(2).into_iter().collect();
    assert!(workers.iter().all(|worker| !now.contains(worker)), "{now:?}");
    eventually("it serves", || (server.get("/version").status == 200).then_some(()));
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    family(&server, 2);
    server.get("/version").expect(200);
}

#[test]
fn nothing_is_left_when_the_server_is_killed() {
    let mut server = preloaded(Options::app("workers:app"), 2);
    family(&server, 2);
    let group = server.pid();
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    eventually("the fork server and the workers end", || members(group).is_empty().then_some(()));
}

#[test]
fn a_signal_to_every_process_stops_the_server_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut server = preloaded(Options::app("workers:app"), 2);
        family(&server, 2);
        killpg(Pid::from_raw(server.pid().cast_signed()), signal).expect("they run");
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(!exit.stderr.contains("Traceback"), "{}", exit.stderr);
        nothing_is_left(&server);
    }
}

#[test]
fn an_application_that_starts_threads_is_named_and_served_without() {
    let code = "import threading, time\n\
                threading.Thread(target=time.sleep, args=(3600,), name='collector', daemon=True).start()\n\
                open('imports', 'a').write('imported\\n')";
    let (folder, options) = application(code);
    let server = preloaded(options, 2);
    assert!(
        server.stderr().contains(
            "main:app starts threads when it is imported, which a fork would be without: collector;"
        ),
        "{}",
        server.stderr()
    );
    server.get("/").expect(200);
    // Once to find out, and once in each worker.
    assert_eq!(lines(&folder.path().join("imports")), 3);
}

#[test]
fn a_module_that_does_not_load_is_shown_and_a_reload_keeps_the_old_code() {
    let (_folder, options) = application("raise RuntimeError('a typing error')");
    let exit = Server::run(options.workers(Mode::Process, 2).flag("--preload"));
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    assert!(exit.stderr.contains("RuntimeError: a typing error"), "{}", exit.stderr);

    let project = Project::default();
    let server = preloaded(project.options(), 2);
    project.break_it("another typing error");
    server.signal(Signal::SIGHUP);
    server.wait_stderr("another typing error");
    server.serves_only("first");
    project.set_text("second");
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    server.serves_only("second");
}

#[test]
fn a_long_traceback_is_shown_shortened() {
    let (_folder, options) = application("raise RuntimeError('begins ' + 'x' * 200_000 + ' ends')");
    let exit = Server::run(options.workers(Mode::Process, 2).flag("--preload"));
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    assert!(exit.stderr.contains("begins x") && exit.stderr.contains("x ends"), "{}", exit.stderr);
}

#[test]
fn whatever_the_application_does_with_sigchld_a_worker_that_dies_is_forked_again() {
    for code in ["signal.SIG_IGN", "lambda *_: None"] {
        let code = format!("import signal\nsignal.signal(signal.SIGCHLD, {code})");
        let (_folder, options) = application(&code);
        let server = preloaded(options, 2);
        let (fork_server, before) = family(&server, 2);
        send(before[0], Signal::SIGKILL);
        server.wait_stderr("is lost: it ended by signal: 9 (SIGKILL)");
        eventually("it is forked again", || {
            let workers = children(fork_server);
            (workers.len() == 2 && !workers.contains(&before[0])).then_some(())
        });
    }
}

#[test]
fn handlers_and_masks_are_those_that_the_application_has_set_at_import() {
    let code = "import signal, subprocess\n\
        signal.signal(signal.SIGUSR2, lambda *_: open('usr2', 'a').write('called\\n'))\n\
        signal.signal(signal.SIGTERM, lambda *_: open('term', 'a').write('called\\n'))\n\
        subprocess.run(\"grep SigBlk /proc/self/status > mask\", shell=True)";
    let (folder, options) = application(code);
    let mut server = preloaded(options, 2);
    let file = |name: &str| folder.path().join(name);
    assert_eq!(fs::read_to_string(file("mask")).expect("written").trim(), "SigBlk:\t0000000000000000");
    let (_, workers) = family(&server, 2);
    send(workers[0], Signal::SIGUSR2);
    eventually("the handler of SIGUSR2 is called", || (lines(&file("usr2")) == 1).then_some(()));
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    assert_eq!(lines(&file("term")), 2, "that of SIGTERM in each worker");
}

#[test]
fn a_module_that_never_comes_back_is_given_up() {
    let (_folder, options) = application("import time\ntime.sleep(3600)");
    let mut server =
        Server::spawn(options.workers(Mode::Process, 2).flag("--preload").with("--timeout-startup", "1"));
    let group = server.pid();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    assert!(exit.stderr.contains("it was not complete after 1s"), "{}", exit.stderr);
    eventually("nothing is left", || members(group).is_empty().then_some(()));

    let (_folder, options) = application("import time\ntime.sleep(3600)");
    let server = Server::spawn(options.workers(Mode::Process, 2).flag("--preload"));
    eventually("the fork server runs", || (children(server.pid()).len() == 1).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut server = server;
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    let group = server.pid();
    eventually("nothing is left", || members(group).is_empty().then_some(()));
}

#[test]
fn workers_differ_where_they_must() {
    let code = "import random, uuid\nrandom.random()";
    let folder = TempDir::new().expect("temporary directories can be made");
    let module = format!(
        "{code}\n\n\ndef make():\n    \
         open('made', 'a').write('made\\n')\n    \
         drawn = random.random()\n    \
         async def app(scope, receive, send):\n        \
         await send({{'type': 'http.response.start', 'status': 200, 'headers': []}})\n        \
         await send({{'type': 'http.response.body', 'body': f'{{drawn}}'.encode()}})\n    \
         return app\n"
    );
    fs::write(folder.path().join("main.py"), module).expect("it can be written");
    let options = Options::bare().directory(folder.path()).flag("main:make()").with("--port", "0");
    let options = options.with("--lifespan", "off").with("--request-id", "x-request-id");
    let server = preloaded(options, 2);
    // A factory makes an application in each worker.
    assert_eq!(lines(&folder.path().join("made")), 2);
    let mut ids = BTreeSet::new();
    let drawn = eventually("both workers answer", || {
        let answers: Vec<_> = (0..20).map(|_| server.get("/").expect(200)).collect();
        for answer in &answers {
            assert!(
                ids.insert(answer.header("x-request-id").expect("an id").to_owned()),
                "an id was given twice"
            );
        }
        let drawn: BTreeSet<_> = answers.iter().map(|answer| answer.text()).collect();
        (drawn.len() > 1).then_some(drawn)
    });
    assert_eq!(drawn.len(), 2, "{drawn:?}");
}

#[test]
fn where_there_is_nothing_to_fork_a_line_says_so() {
    let server = Server::start(Options::app("workers:app").flag("--preload"));
    assert!(server.stderr().contains("preload has no effect: there is one worker"), "{}", server.stderr());
    let server = Server::start(Options::app("workers:app").workers(Mode::Thread, 2).flag("--preload"));
    assert!(
        server.stderr().contains("preload has no effect: the workers share one process"),
        "{}",
        server.stderr()
    );
}
