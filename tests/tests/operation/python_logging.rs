//! `--log-config`: all lines go to Python's logging.

use std::fs;
use std::path::Path;

use pounce_tests::modes::Mode;
use pounce_tests::{Options, Server, in_every_mode};
use tempfile::TempDir;

/// A dictionary whose handlers print records to the two streams.
fn config(errors: &str, requests: &str) -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "disable_existing_loggers": false,
        "filters": {"health": {"()": "log_parts.NoHealthChecks"}},
        "formatters": {
            "errors": {"format": "E %(name)s %(levelname)s %(message)s"},
            "requests": {"format": "A %(name)s [%(client_addr)s] [%(request_line)s] %(status_code)s %(response_bytes)s %(duration_ms)d %(message)s"},
        },
        "handlers": {
            "errors": {"class": "logging.StreamHandler", "formatter": "errors", "stream": "ext://sys.stderr"},
            "requests": {
                "class": "logging.StreamHandler",
                "formatter": "requests",
                "filters": ["health"],
                "stream": "ext://sys.stdout",
            },
        },
        "loggers": {
            errors: {"level": "INFO", "handlers": ["errors"]},
            requests: {"level": "INFO", "handlers": ["requests"], "propagate": false},
        },
    })
}

fn options(folder: &Path, config: &serde_json::Value) -> Options {
    let file = folder.join("log.json");
    fs::write(&file, config.to_string()).expect("it can be written");
    Options::app("log_parts:app").with("--log-config", file)
}

in_every_mode! {
    every_line_goes_to_the_loggers,
}

fn every_line_goes_to_the_loggers(mode: Mode) {
    let folder = TempDir::new().expect("temporary directories can be made");
    let options = options(folder.path(), &config("pounce.error", "pounce.access")).workers(mode, 2);
    let mut server = Server::start(options);
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/bytes?a=%20b").expect(200).body.len(), 7);
    assert_eq!(server.get("/fail").status, 500);
    let line = server.wait_stdout_line("/bytes?a=%20b");
    assert!(line.starts_with("A pounce.access [127.0.0.1:"), "{line}");
    assert!(line.contains("] [GET /bytes?a=%20b HTTP/1.1] 200 7 "), "{line}");
    assert!(line.contains(" - \"GET /bytes?a=%20b HTTP/1.1\" 200"), "{line}");
    server.wait_stdout_line("\"GET /fail HTTP/1.1\" 500");
    server.wait_stderr("E pounce.error ERROR GET /fail: the application raised an exception");
    server.wait_stderr("ZeroDivisionError");
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    for said in ["INFO Loading log_parts:app", "INFO Pounce 0.1.0 ready: ", "INFO Stopping: ", "INFO Stopped"]
    {
        assert!(exit.stderr.contains(&format!("E pounce.error {said}")), "{said}: {}", exit.stderr);
    }
    assert!(!exit.stderr.contains("Z  INFO"), "{}", exit.stderr);
    assert!(!exit.stdout.contains("/health"));
}

#[test]
fn the_loggers_of_another_server_are_used_if_only_they_are_named() {
    for (errors, requests, prefix) in [
        ("uvicorn", "uvicorn.access", "uvicorn"),
        ("gunicorn.error", "gunicorn.access", "gunicorn"),
        ("hypercorn.error", "hypercorn.access", "hypercorn"),
    ] {
        let folder = TempDir::new().expect("temporary directories can be made");
        let server = Server::start(options(folder.path(), &config(errors, requests)));
        server.get("/bytes").expect(200);
        server.wait_stderr(&format!("E {prefix}.error INFO Pounce 0.1.0 ready: "));
        server.wait_stdout_line(&format!("A {prefix}.access ["));
    }
}

#[test]
fn a_file_may_be_toml_or_ini_and_options_may_have_a_table() {
    let toml = "version = 1\n[formatters.f]\nformat = 'T %(message)s'\n[handlers.h]\nclass = 'logging.StreamHandler'\n\
                formatter = 'f'\n[root]\nlevel = 'INFO'\nhandlers = ['h']\n";
    let ini = "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=f\n[logger_root]\nlevel=INFO\nhandlers=h\n\
               [handler_h]\nclass=StreamHandler\nformatter=f\nargs=(sys.stderr,)\n[formatter_f]\nformat=T %(message)s\n";
    let nested = toml.replace("[formatters.f]", "[log-config.formatters.f]");
    let nested =
        nested.replace("[handlers.h]", "[log-config.handlers.h]").replace("[root]", "[log-config.root]");
    for (name, text) in [
        ("log.toml", toml.to_owned()),
        ("log.ini", ini.to_owned()),
        ("pounce.toml", format!("[log-config]\n{nested}")),
    ] {
        let folder = TempDir::new().expect("temporary directories can be made");
        fs::write(folder.path().join(name), text).expect("it can be written");
        let options = Options::app("log_parts:app").directory(folder.path());
        let options = if name == "pounce.toml" { options } else { options.with("--log-config", name) };
        let server = Server::start(options);
        server.wait_stderr("T Pounce 0.1.0 ready: ");
    }
}

#[test]
fn the_level_is_the_loggers_unless_it_is_given() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let mut config = config("pounce.error", "pounce.access");
    config["loggers"]["pounce.error"]["level"] = "ERROR".into();
    let file = folder.path().join("log.json");
    fs::write(&file, config.to_string()).expect("it can be written");
    let options = || Options::app("log_parts:failing").with("--log-config", &file);
    let quiet = Server::run(options().with("--lifespan", "on"));
    assert_eq!(quiet.code, Some(3), "{}", quiet.stderr);
    assert!(quiet.stderr.contains("E pounce.error ERROR startup failed"), "{}", quiet.stderr);
    assert!(!quiet.stderr.contains("Loading"), "{}", quiet.stderr);
    let told = Server::run(options().with("--lifespan", "on").with("--log-level", "info"));
    assert!(told.stderr.contains("E pounce.error INFO Loading"), "{}", told.stderr);
}

#[test]
fn an_access_log_format_is_the_message() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let mut config = config("pounce.error", "pounce.access");
    config["handlers"]["requests"]["filters"] = serde_json::json!([]);
    config["formatters"]["requests"]["format"] = "%(message)s|%(args)s".into();
    let server =
        Server::start(options(folder.path(), &config).with("--access-log-format", "%(m)s %(s)s 100%%"));
    server.get("/bytes").expect(200);
    assert_eq!(server.wait_stdout_line("GET"), "GET 200 100%|()");
}

#[test]
fn what_cannot_be_used_is_said_with_what_came_before() {
    let folder = TempDir::new().expect("temporary directories can be made");
    for (name, text, said) in [
        ("list.json", "[]", "it is a list, not a table"),
        ("broken.json", "{", "Expecting property name"),
        ("version.json", "{\"version\": 2}", "Unsupported version: 2"),
        ("broken.toml", "x=", "Invalid value"),
        ("broken.ini", "junk", "File contains no section headers"),
        ("missing.json", "", "No such file"),
        (
            "formatter.json",
            "{\"version\": 1, \"formatters\": {\"f\": {\"()\": \"nowhere.Formatter\"}}}",
            "No module named 'nowhere'\n\nhint: Install what the configuration uses (nowhere)",
        ),
    ] {
        let file = folder.path().join(name);
        if name != "missing.json" {
            fs::write(&file, text).expect("it can be written");
        }
        let exit = Server::run(Options::app("log_parts:app").with("--log-config", &file));
        assert_eq!(exit.code, Some(2), "{name}: {}", exit.stderr);
        let message = format!("error: cannot use the log configuration {}: ", file.display());
        let (before, after) =
            exit.stderr.split_once(&message).unwrap_or_else(|| panic!("{name}: {}", exit.stderr));
        assert!(before.contains("INFO Loading log_parts:app"), "{name}: {}", exit.stderr);
        assert!(after.contains(said), "{name}: {}", exit.stderr);
    }
}

#[test]
fn an_application_that_fails_to_start_is_in_the_log_and_on_standard_error() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let config = config("pounce.error", "pounce.access");
    let file = folder.path().join("log.json");
    fs::write(&file, config.to_string()).expect("it can be written");
    let options = Options::bare().flag("nowhere:app").with("--app-dir", pounce_tests::options::apps());
    let exit = Server::run(options.with("--port", "0").with("--log-config", file));
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    assert!(exit.stderr.contains("E pounce.error ERROR cannot load the application"), "{}", exit.stderr);
    assert!(exit.stderr.contains("\nerror: cannot load the application"), "{}", exit.stderr);
}

#[test]
fn a_handler_that_hangs_holds_up_neither_requests_nor_the_stop() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let mut config = config("pounce.error", "pounce.access");
    config["handlers"]["requests"] = serde_json::json!({"class": "log_parts.Hanging"});
    for mode in [Mode::Process, Mode::Thread] {
        let mut server = Server::start(options(folder.path(), &config).workers(mode, 1));
        for _ in 0..100 {
            server.get("/bytes").expect(200);
        }
        server.wait_stderr("a handler hangs");
        server.get("/bytes").expect(200);
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0));
    }
}
