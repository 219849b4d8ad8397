//! Options: their sources, precedence, and error messages.

use pounce_tests::{Exit, Options, Server};
use std::fs;
use tempfile::TempDir;

fn refused(options: Options, parts: &[&str]) -> Exit {
    let exit = Server::run(options);
    assert_eq!(exit.code, Some(2), "{exit:?}");
    for part in parts {
        assert!(exit.stderr.contains(part), "{part:?} not in\n{}", exit.stderr);
    }
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
    exit
}

fn project(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in files {
        fs::write(directory.path().join(name), content).expect("it is writable");
    }
    directory
}

/// The address of a server started with these options.
fn host(options: Options) -> String {
    let server = Server::start(options);
    server.get("/hello").expect(200);
    server.address().ip().to_string()
}

#[test]
fn an_unknown_option_is_answered_with_a_close_match() {
    refused(Options::app("raw:app").with("--prot", "1"), &["--prot", "--port"]);
    refused(
        Options::app("raw:app").with("--limit-concurency", "1"),
        &["--limit-concurency", "--limit-concurrency"],
    );
}

#[test]
fn an_invalid_value_is_named_with_its_option() {
    for (name, value) in [
        ("--port", "99999"),
        ("--port", "http"),
        ("--timeout-header", "soon"),
        ("--limit-request-body", "plenty"),
        ("--lifespan", "maybe"),
        ("--interface", "wsgi"),
        ("--log-level", "loud"),
        ("--header", "no colon"),
        ("--uds-permissions", "999"),
    ] {
        refused(Options::app("raw:app").without_port().with(name, value), &[name, value]);
    }
}

#[test]
fn a_header_option_cannot_split_responses() {
    refused(Options::app("raw:app").with("--header", "X-A: b\r\nX-C: d"), &["--header"]);
}

#[test]
fn no_application_is_a_mistake_of_usage() {
    let exit = refused(Options::bare(), &[]);
    assert!(exit.stderr.to_lowercase().contains("usage"), "{}", exit.stderr);
}

#[test]
fn a_variable_of_the_environment_with_a_bad_value_is_named() {
    refused(Options::app("raw:app").without_port().env("POUNCE_PORT", "http"), &["POUNCE_PORT", "http"]);
}

#[test]
fn an_unknown_key_in_a_file_is_answered_with_the_file_and_a_close_match() {
    let directory = project(&[("pounce.toml", "prot = 8000\n")]);
    refused(Options::app("raw:app").directory(directory.path()), &["pounce.toml", "prot", "port"]);
    let directory = project(&[("pyproject.toml", "[tool.pounce]\nhots = \"127.0.0.1\"\n")]);
    refused(Options::app("raw:app").directory(directory.path()), &["pyproject.toml", "hots", "host"]);
}

#[test]
fn a_file_that_is_no_toml_or_not_there_is_named() {
    let directory = project(&[("pounce.toml", "port = = 8000\n")]);
    refused(Options::app("raw:app").directory(directory.path()), &["pounce.toml"]);
    refused(Options::app("raw:app").with("--config", "absent.toml"), &["absent.toml"]);
}

#[test]
fn each_source_wins_over_those_before_it() {
    let pyproject = ("pyproject.toml", "[project]\nname = \"x\"\n[tool.pounce]\nhost = \"127.0.0.2\"\n");
    let directory = project(&[pyproject]);
    let start = || Options::app("raw:app").directory(directory.path());
    assert_eq!(host(start()), "127.0.0.2");
    assert_eq!(host(start().env("POUNCE_HOST", "127.0.0.5")), "127.0.0.5");
    assert_eq!(host(start().env("POUNCE_HOST", "127.0.0.5").with("--host", "127.0.0.6")), "127.0.0.6");
}

#[test]
fn pounce_toml_and_a_named_file_are_read() {
    let directory =
        project(&[("pounce.toml", "host = \"127.0.0.3\"\n"), ("other.toml", "host = \"127.0.0.4\"\n")]);
    assert_eq!(host(Options::app("raw:app").directory(directory.path())), "127.0.0.3");
    assert_eq!(
        host(Options::app("raw:app").directory(directory.path()).with("--config", "other.toml")),
        "127.0.0.4"
    );
}

#[test]
fn an_option_may_be_given_with_an_equals_sign_and_before_the_application() {
    let apps = pounce_tests::options::apps();
    let options =
        Options::bare().flag("--port=0").with("--app-dir", apps).flag("--root-path=/x").flag("raw:app");
    let server = Server::start(options);
    assert_eq!(server.get("/scope").expect(200).json()["scope"]["root_path"], "/x");
}

#[test]
fn the_environment_s_file_is_the_application_s_environment() {
    let directory =
        project(&[("settings.env", "# comment\nFROM_FILE=file value\nexport QUOTED=\"a b\"\nTAKEN=file\n")]);
    let options = Options::app("raw:app").directory(directory.path()).with("--env-file", "settings.env");
    let server = Server::start(options.env("TAKEN", "process"));
    assert_eq!(server.get("/environ/FROM_FILE").text(), "file value");
    assert_eq!(server.get("/environ/QUOTED").text(), "a b");
    assert_eq!(server.get("/environ/TAKEN").text(), "process");
}

#[test]
fn errors_are_printed_at_the_level_of_errors() {
    let server = Server::start_silent(Options::app("faulty:app"), "error");
    server.get("/raise-before/level").expect(500);
    server.wait_stderr("level before the response");
}

#[test]
fn there_are_no_colours_where_there_is_no_terminal() {
    let plain = Server::start(Options::app("raw:app"));
    assert!(!plain.stderr().contains('\u{1b}'), "{:?}", plain.stderr());
}

#[test]
fn options_of_other_servers_are_refused_all_at_once_with_what_to_do() {
    let options = Options::app("raw:app").flag("--metrics").with("--statsd-host", "x:1").flag("--daemon");
    let exit = refused(
        options.flag("--no-such-option"),
        &[
            "--metrics is granian's",
            "hint: --metrics: metrics have an address of their own: use --metrics-bind HOST:PORT",
            "--statsd-host is gunicorn's",
            "not yet in this version",
            "--daemon is gunicorn's",
            "no-such-option: no such option",
        ],
    );
    assert!(!exit.stderr.contains("preload"), "{}", exit.stderr);
}

#[test]
fn a_command_line_of_uvicorn_starts_with_notes() {
    let options =
        Options::app("raw:app").with("--loop", "uvloop").with("--http", "httptools").with("--ws", "none");
    let server = Server::start(options.env("UVICORN_PORT", "1"));
    server.get("/hello").expect(200);
    for note in ["loop uvloop", "http httptools", "UVICORN_PORT in the environment is not read"] {
        server.wait_stderr(note);
    }
}

#[test]
fn a_file_in_place_of_a_module_is_answered_with_the_module_to_type() {
    let directory = project(&[("main.py", "")]);
    fs::create_dir_all(directory.path().join("src/site")).expect("writable");
    fs::write(directory.path().join("src/site/__init__.py"), "").expect("writable");
    for (typed, module) in [
        ("main.py", "pounce main:app\n"),
        ("./src/main.py:create()", "pounce main:create() --app-dir src\n"),
        ("src/site/main.py", "pounce site.main:app --app-dir src\n"),
    ] {
        refused(Options::app(typed).directory(directory.path()).without_app_dir(), &["APP", typed, module]);
    }
}

#[test]
fn no_application_is_answered_with_what_is_missing_and_examples() {
    refused(
        Options::bare(),
        &["app: nothing given", "Usage: pounce [OPTIONS] APP", "pounce main:app --reload"],
    );
}

#[test]
fn the_short_help_begins_with_examples_and_the_full_one_has_every_option() {
    let short = Server::run(Options::bare().flag("-h"));
    assert_eq!(short.code, Some(0), "{short:?}");
    assert!(short.stdout.starts_with("Examples:\n  pounce main:app"), "{}", short.stdout);
    assert!(!short.stdout.contains("--http2-max-frame-size"), "{}", short.stdout);
    let full = Server::run(Options::bare().flag("--help").env("COLUMNS", "70"));
    assert_eq!(full.code, Some(0), "{full:?}");
    assert!(full.stdout.contains("--http2-max-frame-size"), "{}", full.stdout);
    assert!(full.stdout.lines().all(|line| line.chars().count() <= 70), "{}", full.stdout);
}
