//! Configurations of other servers.

use std::fs;
use std::path::Path;

use pounce_tests::{Options, Server};
use tempfile::TempDir;

/// As projects have it, with a module of the project and output of its own.
const GUNICORN: &str = r#"
import multiprocessing
import os
from settings import SITE

print("evaluated", __name__, os.path.basename(__file__))
os.system("echo a child prints")
import atexit
atexit.register(print, "the end prints")
wsgi_app = "process:app"
bind = [f"unix:{SITE}.sock", "127.0.0.1:0"]
workers = min(2, multiprocessing.cpu_count() * 2 + 1)
worker_class = "uvicorn.workers.UvicornWorker"
timeout = 120
keepalive = 5
accesslog = "-"
errorlog = "-"
access_log_format = 'gunicorn %(m)s %(U)s'
pidfile = "server.pid"
proc_name = SITE
umask = 0o027
raw_env = ["MODE=pro duction"]
preload_app = True
daemon = False


def post_fork(server, worker):
    raise RuntimeError("never called")
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("temporary directories can be made");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("it can be written");
    }
    for name in ["process.py", "kit.py"] {
        fs::copy(pounce_tests::options::apps().join(name), folder.path().join(name)).expect("it is there");
    }
    folder
}

fn bare(folder: &TempDir) -> Options {
    Options::bare().directory(folder.path())
}

#[test]
fn a_project_of_gunicorn_starts_with_its_file() {
    let folder = folder(&[("gunicorn.conf.py", GUNICORN), ("settings.py", "SITE = 'my-site'")]);
    for options in [bare(&folder).with("--compat", "gunicorn"), bare(&folder).with("-c", "gunicorn.conf.py")]
    {
        let mut server = Server::start(options);
        let told = server.get("/process/MODE").expect(200).text();
        assert!(told.ends_with("my-site pro duction"), "{told}");
        assert_eq!(server.get("/make/new").expect(200).text(), "640");
        fs::remove_file(folder.path().join("new")).expect("it is there");
        server.wait_stdout_line("gunicorn GET /process/MODE");
        assert!(folder.path().join("my-site.sock").exists());
        assert_eq!(
            fs::read_to_string(folder.path().join("server.pid")).expect("it is there"),
            format!("{}\n", server.pid())
        );
        let stderr = server.stderr();
        assert!(stderr.contains("evaluated __config__ gunicorn.conf.py"), "{stderr}");
        let note = "gunicorn.conf.py sets what has no meaning here: worker_class, post_fork";
        assert_eq!(stderr.matches(note).count(), 1, "{stderr}");
        assert!(stderr.contains("2 worker "), "{stderr}");
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0));
    }
}

#[test]
fn its_arguments_in_the_environment_come_between_the_file_and_the_command_line() {
    let folder = folder(&[("gunicorn.conf.py", "workers = 3\nproc_name = 'file'\nbind = '127.0.0.1:1'")]);
    let arguments = "-w 1 --bind 127.0.0.1:0 -n 'from args' -e MODE='a b' process:app";
    let options = bare(&folder).env("GUNICORN_CMD_ARGS", arguments).with("--compat", "gunicorn");
    let server = Server::start(options.with("--name", "command"));
    let told = server.get("/process/MODE").expect(200).text();
    assert!(told.ends_with("command a b"), "{told}");
    assert!(server.stderr().contains("1 worker)"), "{}", server.stderr());
}

#[test]
fn a_module_and_hypercorn_s_files_are_read() {
    let toml = "application_path = 'process:app'\nbind = '127.0.0.1:0'\npid_path = 'server.pid'";
    let python = "application_path = 'process:app'\nbind = ['127.0.0.1:0']\npid_path = 'server.pid'\n";
    let folder = folder(&[("hypercorn.toml", toml), ("theirs.py", python), ("hypercorn.py", python)]);
    for (config, compat) in [
        ("hypercorn.toml", None),
        ("hypercorn.py", None),
        ("python:theirs", Some("hypercorn")),
        ("file:theirs.py", Some("hypercorn")),
    ] {
        let options = bare(&folder).with("--config", config);
        let options =
            compat.map_or(bare(&folder).with("--config", config), |compat| options.with("--compat", compat));
        let server = Server::start(options);
        server.get("/process/x").expect(200);
        assert!(folder.path().join("server.pid").exists(), "{config}");
    }
}

#[test]
fn a_program_that_fails_is_shown_with_its_line() {
    for (text, said) in [
        ("a = 1\nworkers = a / 0", "gunicorn.conf.py\", line 2, in <module>"),
        ("workers = (", "SyntaxError: '(' was never closed"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("import os\nos._exit(7)", "the process that evaluates it ended: exit status: 7"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("logconfig_dict = {'version': 1, 'x': object()}", "cannot be handed to worker processes"),
    ] {
        let folder = folder(&[("gunicorn.conf.py", text)]);
        let exit = Server::run(bare(&folder).flag("process:app").with("-c", "gunicorn.conf.py"));
        assert_eq!(exit.code, Some(2), "{text}: {}", exit.stderr);
        assert!(exit.stderr.contains("error: gunicorn.conf.py: "), "{text}: {}", exit.stderr);
        assert!(exit.stderr.contains(said), "{text}: {}", exit.stderr);
        assert!(!exit.stderr.contains("<pounce>"), "{text}: {}", exit.stderr);
    }
}

#[test]
fn gunicorn_s_log_dictionary_configures_python_s_logging() {
    let text = "wsgi_app = 'process:app'\nbind = '127.0.0.1:0'\nlogconfig_dict = {\n'version': 1,\n\
                'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': 'f'}},\n\
                'formatters': {'f': {'format': 'G %(name)s %(message)s', 'datefmt': None}},\n\
                'loggers': {'gunicorn.error': {'level': 'INFO', 'handlers': ['h']}}}\n";
    let folder = folder(&[("gunicorn.conf.py", text)]);
    let server = Server::start(bare(&folder).with("-c", "gunicorn.conf.py"));
    server.wait_stderr("G gunicorn.error Pounce");
}

#[test]
fn variables_of_uvicorn_and_granian_are_read_where_they_are_named() {
    for (compat, prefix) in [("uvicorn", "UVICORN"), ("granian", "GRANIAN")] {
        let options = Options::app("process:app").without_port().with("--compat", compat);
        let options = options.env(&format!("{prefix}_PORT"), "0").env(&format!("{prefix}_WORKERS"), "2");
        let server = Server::start(options);
        server.get("/process/x").expect(200);
        assert!(server.stderr().contains("2 worker "), "{}", server.stderr());
        assert!(!server.stderr().contains("is not read"), "{}", server.stderr());
    }
}

#[test]
fn a_python_file_of_nobody_is_refused_with_what_to_type() {
    let folder = folder(&[("settings.py", "")]);
    let exit = Server::run(bare(&folder).flag("process:app").with("-c", "settings.py"));
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("settings.py: this is a Python program"), "{}", exit.stderr);
    assert!(exit.stderr.contains("--compat gunicorn"), "{}", exit.stderr);
    assert!(Path::new(&folder.path().join("settings.py")).exists());
}
