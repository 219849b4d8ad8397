//! Signals: the handlers of an application run, and the server stops as well; a terminal that goes away; and
//! children that the application forks, which keep none of the server's descriptors.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pounce_tests::family::runs;
use pounce_tests::python::{run, virtualenv};
use pounce_tests::{Mode, Options, Server, eventually, in_every_mode};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

in_every_mode! {
    the_application_s_own_handler_runs_and_the_server_stops,
    an_application_s_handler_runs_for_signals_on_which_workers_do_not_act,
    signals_that_come_all_at_once_are_stood,
    a_signal_that_another_thread_takes_ends_the_wait_of_an_idle_loop,
}

/// Ways in which applications handle a signal, and whether a handler runs.
const WAYS: [(&str, bool); 9] = [
    ("own", true),
    ("chain", true),
    ("restore and send again", true),
    ("loop", true),
    ("wakeup", true),
    ("exit", true),
    ("raise", true),
    ("default", false),
    ("ignore", false),
];

/// A server whose application handles signals in the named way.
fn start(mode: Option<Mode>, how: &str, signals: &str) -> Server {
    start_with(Options::app("signalled:app"), mode, how, signals)
}

fn start_with(options: Options, mode: Option<Mode>, how: &str, signals: &str) -> Server {
    let options = options.env("HANDLE", how).env("SIGNALS", signals);
    let options = options.flag("--no-access-log");
    Server::start(match mode {
        // Only the main interpreter handles signals.
        Some(Mode::Subinterpreter) => {
            options.workers(Mode::Subinterpreter, 2).with("--lifespan-scope", "server")
        }
        Some(mode) => options.workers(mode, 2),
        None => options,
    })
}

fn wait_heard(server: &Server, text: &str, times: usize) {
    eventually(&format!("{text:?} is noted {times} times"), || {
        (times_heard(server, text) >= times).then_some(())
    });
}

fn times_heard(server: &Server, text: &str) -> usize {
    let noted = fs::read_to_string(server.directory().join("heard")).unwrap_or_default();
    noted.lines().filter(|line| *line == text).count()
}

fn stops(server: &mut Server, how: &str) {
    let exit = server.wait_exit();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{how}: {}", exit.stderr);
    assert!(!exit.stderr.contains("KeyboardInterrupt"), "{how}: {}", exit.stderr);
}

fn the_application_s_own_handler_runs_and_the_server_stops(mode: Mode) {
    for how in ["own", "restore and send again", "loop", "ignore"] {
        let mut server = start(Some(mode), how, "SIGTERM");
        server.sigterm();
        stops(&mut server, how);
        let expected = match mode {
            _ if how == "ignore" => 0,
            Mode::Process => 2,
            _ => 1,
        };
        assert_eq!(times_heard(&server, "heard SIGTERM"), expected, "{how}");
    }
}

/// The C handler runs in that thread, and the system call in which the loop waits goes on: as when a signal comes just
/// before that call.
fn a_signal_that_another_thread_takes_ends_the_wait_of_an_idle_loop(mode: Mode) {
    // A descriptor to be told by needs a handler, which the server has for the first one.
    let mut ways = vec![("own", "SIGUSR1 SIGUSR2 SIGRTMIN"), ("loop", "SIGUSR1 SIGUSR2 SIGRTMIN")];
    if mode != Mode::Subinterpreter {
        // The application's loop is in a subinterpreter, and cannot have one.
        ways.push(("wakeup", "SIGUSR1"));
    }
    for (how, names) in ways {
        let server = start(Some(mode), how, names);
        for name in names.split(' ') {
            server.get(&format!("/kill-from-thread/{name}")).expect(200);
            wait_heard(&server, &format!("heard {name}"), 1);
        }
    }
}

#[test]
fn a_forked_child_calls_the_application_s_handlers() {
    let server = start(None, "own", "SIGUSR2 SIGRTMIN");
    for name in ["SIGUSR2", "SIGRTMIN"] {
        assert_eq!(server.get(&format!("/kill-in-child/{name}")).expect(200).text(), "0", "{name}");
        wait_heard(&server, &format!("heard {name}"), 1);
    }
}

/// A handler must not be interrupted by that of another signal: threads have little room for them. Workers come and go
/// meanwhile, and the allocator for debugging ends the process if they free memory in a wrong way.
fn signals_that_come_all_at_once_are_stood(mode: Mode) {
    let options = Options::app("signalled:app").env("PYTHONMALLOC", "debug");
    let mut server = start_with(options, Some(mode), "own", "SIGUSR1 SIGHUP");
    let of_workers = if mode == Mode::Process { server.children() } else { vec![server.pid()] };
    for _ in 0..200 {
        for pid in of_workers.iter().chain([&server.pid()]) {
            for signal in [Signal::SIGUSR1, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGHUP] {
                // A worker may have been replaced meanwhile.
                let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
            }
        }
    }
    server.get("/pid").expect(200);
    server.sigterm();
    stops(&mut server, "own");
}

#[test]
fn workers_that_a_signal_reaches_themselves_call_their_handler_once() {
    for how in ["own", "chain"] {
        let mut server = start(Some(Mode::Process), how, "SIGTERM");
        killpg(Pid::from_raw(server.pid().cast_signed()), Signal::SIGTERM).expect("the group is there");
        stops(&mut server, how);
        assert_eq!(times_heard(&server, "heard SIGTERM"), 2, "{how}");
    }
}

#[test]
fn with_one_worker_the_application_s_own_handler_runs_and_the_server_stops() {
    for (place, (how, hears)) in WAYS.into_iter().enumerate() {
        let name = ["SIGTERM", "SIGINT"][place % 2];
        let mut server = start(None, how, name);
        server.signal(name.parse().expect("a signal"));
        stops(&mut server, how);
        assert_eq!(times_heard(&server, &format!("heard {name}")), usize::from(hears), "{how}");
    }
}

fn an_application_s_handler_runs_for_signals_on_which_workers_do_not_act(mode: Mode) {
    for how in ["own", "loop"] {
        let mut server = start(Some(mode), how, "SIGINT SIGUSR1 SIGWINCH");
        let of_workers = if mode == Mode::Process { server.children() } else { vec![server.pid()] };
        for name in ["SIGUSR1", "SIGWINCH"] {
            for pid in &of_workers {
                kill(Pid::from_raw(pid.cast_signed()), name.parse::<Signal>().expect("a signal"))
                    .expect("it runs");
            }
            wait_heard(&server, &format!("heard {name}"), of_workers.len());
        }
        if mode == Mode::Process {
            // A terminal's Ctrl-C reaches the workers as well; the server decides what they do.
            for pid in &of_workers {
                kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT).expect("it runs");
            }
            wait_heard(&server, "heard SIGINT", of_workers.len());
            server.get("/pid").expect(200);
            assert_eq!(server.children().len(), 2);
        }
        killpg(Pid::from_raw(server.pid().cast_signed()), Signal::SIGINT).expect("the group is there");
        stops(&mut server, how);
    }
}

#[test]
fn an_application_finds_handlers_that_it_can_call() {
    let mut server = start(None, "nothing", "");
    for name in ["SIGTERM", "SIGINT", "SIGHUP"] {
        assert_eq!(server.get(&format!("/handler/{name}")).expect(200).text(), "True", "{name}");
    }
    server.get("/call/SIGHUP").expect(200);
    server.wait_stderr("Reloaded");
    server.get("/call/SIGTERM").expect(200);
    stops(&mut server, "called");
}

#[test]
fn a_signal_reloads_once_when_the_handler_that_was_found_is_called_for_it() {
    let mut server = start(None, "chain", "SIGHUP");
    server.signal(Signal::SIGHUP);
    wait_heard(&server, "heard SIGHUP", 1);
    server.wait_stderr("Reloaded");
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.stderr.matches("Reloaded").count(), 1, "{}", exit.stderr);
    assert!(!exit.stderr.contains("not reloaded"), "{}", exit.stderr);
}

#[test]
fn a_worker_that_calls_the_handler_it_found_is_replaced() {
    let mut server = start(Some(Mode::Process), "nothing", "");
    let before = server.children();
    let pid: u32 = server.get("/call/SIGTERM").expect(200).text().parse().expect("a number");
    assert!(before.contains(&pid));
    eventually("another worker takes its place", || {
        let now = server.children();
        (now.len() == 2 && !now.contains(&pid)).then_some(())
    });
    server.sigterm();
    stops(&mut server, "called");
}

#[test]
fn a_process_that_signals_itself_drains_however_often_it_does() {
    let mut server = start(None, "nothing", "");
    let pid = server.pid().to_string();
    assert_eq!(server.get("/kill/SIGTERM").expect(200).text(), pid);
    stops(&mut server, "sent by itself");
}

#[test]
fn a_handler_that_sends_the_signal_again_does_not_cut_requests_off() {
    let mut server = start(None, "restore and send again", "SIGTERM");
    let mut client = server.connect();
    client.get("/sleep/1");
    wait_heard(&server, "began", 1);
    server.sigterm();
    assert_eq!(client.response().expect(200).text(), "slept");
    stops(&mut server, "sent again");
}

#[test]
fn keyboard_interrupt_does_not_end_what_runs() {
    let mut server = start(None, "interrupt", "SIGINT");
    let mut client = server.connect();
    client.get("/sleep/1");
    wait_heard(&server, "began", 1);
    server.signal(Signal::SIGINT);
    assert_eq!(client.response().expect(200).text(), "slept");
    stops(&mut server, "interrupt");
}

#[test]
fn a_second_signal_stops_at_once_though_python_blocks_and_has_its_own_handlers() {
    let mut server = start(None, "own", "SIGTERM SIGINT");
    let mut client = server.connect();
    client.get("/block/3600");
    wait_heard(&server, "began", 1);
    server.sigterm();
    server.wait_stderr("Stopping");
    wait_heard(&server, "heard SIGTERM", 1);
    server.signal(Signal::SIGINT);
    let exit = server.wait_exit();
    assert!(exit.stderr.contains("Stopped at once"), "{}", exit.stderr);
    assert_eq!(exit.code, Some(0));
}

/// Runs a script of `tests/clients` that needs no package.
fn run_script(script: &str, arguments: &[&str]) -> String {
    let python = virtualenv().map_or_else(|| "python3".into(), |path| path.join("bin/python"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    run(Command::new(python).arg(path).args(arguments))
}

#[test]
fn a_terminal_that_goes_away_stops_the_server_and_a_hangup_by_hand_reloads() {
    let binary = pounce_tests::options::binary().to_str().expect("a path in UTF-8");
    let apps = pounce_tests::options::apps();
    let arguments = ["raw:app", "--app-dir", apps.to_str().expect("a path in UTF-8"), "--port", "0"];
    for workers in [&[][..], &["--workers", "2"]] {
        let all: Vec<_> = [binary].into_iter().chain(arguments).chain(workers.iter().copied()).collect();
        assert_eq!(run_script("leave_terminal.py", &all).trim(), "reloaded, and exited with 0");
    }
}

#[test]
fn a_hangup_reloads_a_server_that_was_started_without_a_terminal() {
    let mut server = start(None, "nothing", "");
    server.signal(Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    server.sigterm();
    stops(&mut server, "hangup");
}

/// A server whose application forks.
fn start_forking(mode: Option<Mode>) -> Server {
    let options = Options::app("forking:app").flag("--no-access-log");
    Server::start(match mode {
        Some(mode) => options.workers(mode, 2).with("--timeout-graceful-shutdown", "1"),
        None => options.with("--timeout-graceful-shutdown", "1").flag("--reload"),
    })
}

fn has_nothing_of_the_server(server: &Server, file: &str, how: &str) -> u32 {
    let path = server.directory().join(file);
    let report = eventually("the child reports", || fs::read_to_string(&path).ok());
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    for (name, expected) in [
        ("own", serde_json::json!(true)),
        ("sockets", serde_json::json!([])),
        ("polls", serde_json::json!([])),
        ("anonymous", serde_json::json!([])),
        ("default", serde_json::json!(true)),
        ("loop", serde_json::json!(3)),
    ] {
        assert_eq!(report[name], expected, "{how}, {name}: {report}");
    }
    report["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id")
}

/// Kills a process that is left if a test fails.
struct Ending(u32);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.cast_signed()), Signal::SIGKILL);
    }
}

fn nothing_of_the_server_is_left_to_forked_children(mode: Option<Mode>) {
    let mut server = start_forking(mode);
    let mut children = Vec::new();
    // An active connection, which a child must not inherit.
    let mut held = server.connect();
    held.get("/hold");
    held.head().expect(200);
    for how in ["fork", "fork-in-thread", "fork-twice"] {
        let pid = server.get(&format!("/{how}/{how}")).expect(200).text();
        let child = pid.parse().expect("a process id");
        children.push(Ending(child));
        let reporter = has_nothing_of_the_server(&server, how, how);
        if reporter != child {
            children.push(Ending(reporter));
        }
    }
    assert_eq!(server.get("/process/process").expect(200).text(), "-15");
    has_nothing_of_the_server(&server, "process", "process");
    server.get("/pid").expect(200);
    server.sigterm();
    // The client sees the end although children still run.
    held.rest();
    eventually("the server has ended", || (!server.is_running()).then_some(()));
    TcpListener::bind(server.address()).expect("the port is free");
    for Ending(pid) in &children {
        assert!(runs(*pid), "a child of the application's has ended");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).expect("it runs");
        eventually("SIGTERM ends a child", || (!runs(*pid)).then_some(()));
    }
}

#[test]
fn a_forked_child_is_terminated_though_it_inherits_a_handler_that_chains() {
    for how in ["nothing", "chain", "restore and send again", "loop"] {
        let server = start(None, how, "SIGTERM");
        assert_eq!(server.get("/terminated").expect(200).text(), "-15", "{how}");
        server.get("/pid").expect(200);
    }
}

#[test]
fn nothing_of_the_server_is_left_to_children_of_one_worker() {
    nothing_of_the_server_is_left_to_forked_children(None);
}

#[test]
fn nothing_of_the_server_is_left_to_children_of_worker_processes() {
    nothing_of_the_server_is_left_to_forked_children(Some(Mode::Process));
}

#[test]
fn nothing_of_the_server_is_left_to_children_of_worker_threads() {
    nothing_of_the_server_is_left_to_forked_children(Some(Mode::Thread));
}

#[test]
fn a_forked_child_that_returns_to_the_server_s_loop_ends() {
    let mut server = start_forking(None);
    let pid: u32 = server.get("/returning").expect(200).text().parse().expect("a process id");
    assert_ne!(pid, 0);
    server.wait_stderr("a process that the application forked returned to the server's loop; it ends");
    server.get("/pid").expect(200);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_program_that_the_application_starts_has_nothing_of_the_server() {
    for mode in [None, Some(Mode::Process)] {
        let server = start_forking(mode);
        let found = server.get("/run-program").expect(200).json();
        let open: Vec<_> =
            found["open"].as_array().expect("a list").iter().filter_map(|one| one.as_str()).collect();
        assert!(!open.is_empty());
        assert!(!open.iter().any(|one| one.starts_with("socket:") || one.contains("eventpoll")), "{open:?}");
        assert_eq!(found["ended"], -15);
    }
}
