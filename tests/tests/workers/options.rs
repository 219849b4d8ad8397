//! The number and kind of workers, and the sources of these options.

use pounce_tests::modes::python;
use pounce_tests::python::{has, is_free_threaded};
use pounce_tests::{Exit, Mode, Options, Server};

/// Starts as many worker processes as `options` give.
fn processes(options: Options) -> usize {
    let server = Server::start(options.with("--worker-mode", "process"));
    server.get("/who").expect(200);
    server.children().len()
}

fn app() -> Options {
    Options::app("workers:app")
}

fn refused(options: Options, part: &str) -> Exit {
    let exit = Server::run(options);
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains(part), "{part:?} not in\n{}", exit.stderr);
    assert!(!exit.stderr.contains(" ready: ") && !exit.stderr.contains("panicked"), "{}", exit.stderr);
    exit
}

#[test]
fn the_number_can_be_given_in_every_place() {
    assert_eq!(processes(app().with("--workers", "2")), 2);
    assert_eq!(processes(app().with("-w", "2")), 2);
    assert_eq!(processes(app().env("WEB_CONCURRENCY", "2")), 2);
    assert_eq!(processes(app().env("POUNCE_WORKERS", "2")), 2);
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("pounce.toml"), "workers = 2\n").expect("writable");
    assert_eq!(processes(app().directory(directory.path())), 2);
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let options = app().env("WEB_CONCURRENCY", "3").env("POUNCE_WORKERS", "4");
    assert_eq!(processes(options.with("--workers", "2")), 2);
}

#[test]
fn zero_takes_one_worker_for_each_cpu() {
    let cpus = std::thread::available_parallelism().expect("it is known").get();
    let started = processes(app().with("--workers", "0"));
    // A server with one worker may run it in its own process.
    assert!(started == cpus || (cpus == 1 && started == 0), "{started} workers for {cpus} CPUs");
}

#[test]
fn auto_takes_processes_unless_threads_run_side_by_side() {
    let Some(threads) = is_free_threaded() else {
        return eprintln!("skipped: no test virtualenv");
    };
    let server = Server::start(app().with("--workers", "2"));
    server.client_of_each(2);
    assert_eq!(server.children().len(), if threads { 0 } else { 2 });
    let name = if threads { "thread" } else { "process" };
    assert!(server.stderr().contains(name), "the banner does not say {name}: {}", server.stderr());
}

#[test]
fn auto_takes_processes_where_python_has_a_gil() {
    let server = Server::start(app().with("--workers", "2").env("PYTHON_GIL", "1"));
    server.client_of_each(2);
    assert_eq!(server.children().len(), 2);
    assert!(
        server.stderr().contains("2 worker processes"),
        "the banner does not say process: {}",
        server.stderr()
    );
}

#[test]
fn one_worker_needs_no_supervisor() {
    let server = Server::start(app());
    let worker = server.get("/who").expect(200).text();
    assert_eq!(pounce_tests::modes::pid_of(&worker), server.pid());
    assert_eq!(server.children(), [0; 0]);
}

#[test]
fn an_invalid_number_or_mode_is_refused() {
    refused(app().with("--worker-mode", "gevent"), "gevent");
    refused(app().with("--workers", "many"), "many");
    refused(app().flag("--workers=-1"), "workers");
    refused(app().env("WEB_CONCURRENCY", "plenty"), "WEB_CONCURRENCY");
}

#[test]
fn a_python_without_subinterpreters_says_so() {
    if python() >= (3, 12) {
        return eprintln!("skipped: this Python has subinterpreters");
    }
    let exit = refused(app().workers(Mode::Subinterpreter, 2), "subinterpreter");
    assert!(exit.stderr.contains("3.12"), "{}", exit.stderr);
}

#[test]
fn a_module_that_refuses_subinterpreters_is_named_with_the_way_out() {
    for module in ["orjson", "pydantic_core"] {
        if !Mode::Subinterpreter.is_there() || !has(module) {
            continue;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text = format!("import {module}\n\nfrom workers import app\n");
        for name in ["kit.py", "workers.py"] {
            let from = pounce_tests::options::apps().join(name);
            std::fs::copy(from, directory.path().join(name)).expect("writable");
        }
        std::fs::write(directory.path().join("needs_it.py"), text).expect("writable");
        let options = Options::app("needs_it:app").app_dir(directory.path());
        let exit = Server::run(options.workers(Mode::Subinterpreter, 2));
        assert_eq!(exit.code, Some(3), "{exit:?}");
        assert!(exit.stderr.contains(module), "{module} is not named: {}", exit.stderr);
        assert!(exit.stderr.contains("--worker-mode process"), "no way out: {}", exit.stderr);
    }
}
