//! What the server makes of its process: directory, mask, name, user, environment, and the file with its id.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use pounce_tests::family::children;
use pounce_tests::modes::Mode;
use pounce_tests::options::apps;
use pounce_tests::wait::eventually;
use pounce_tests::{Options, Server};
use tempfile::TempDir;

fn app() -> Options {
    Options::app("process:app")
}

/// The working directory, the user and group, the name and a variable of the process that answers.
fn process(server: &Server, variable: &str) -> Vec<String> {
    let text = server.get(&format!("/process/{variable}")).expect(200).text();
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_directory_is_changed_before_relative_paths_count() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("it can be made");
    fs::copy(apps().join("process.py"), inner.join("process.py")).expect("it is there");
    fs::copy(apps().join("kit.py"), inner.join("kit.py")).expect("it is there");
    fs::write(inner.join("vars.env"), "FROM_FILE=yes").expect("it can be written");
    let options = app().without_app_dir().directory(folder.path());
    let options = options.with("--chdir", "inner").with("--env-file", "vars.env").with("--pid", "server.pid");
    let server = Server::start(options.workers(Mode::Process, 2));
    let inner = fs::canonicalize(inner).expect("it is there");
    let told = process(&server, "FROM_FILE");
    assert_eq!((Path::new(&told[0]), &*told[3]), (&*inner, "yes"));
    assert!(inner.join("server.pid").exists());
}

#[test]
fn a_reload_finds_the_directory_again() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("it can be made");
    for file in ["process.py", "kit.py"] {
        fs::copy(apps().join(file), inner.join(file)).expect("it is there");
    }
    let options = app().without_app_dir().directory(folder.path()).with("--chdir", "inner");
    let server = Server::start(options.flag("--reload").with("--pid", "server.pid"));
    fs::write(inner.join("other.py"), "").expect("it can be written");
    server.wait_stderr_times("ready:", 2);
    let inner = fs::canonicalize(inner).expect("it is there");
    assert_eq!(Path::new(&process(&server, "-")[0]), inner);
    assert_eq!(
        fs::read_to_string(inner.join("server.pid")).expect("it is there"),
        format!("{}\n", server.pid())
    );
}

#[test]
fn new_files_lack_the_bits_of_the_mask() {
    let server = Server::start(app().with("--umask", "027"));
    assert_eq!(server.get("/make/new").expect(200).text(), "640");
}

#[test]
fn processes_have_the_name() {
    let options = app().with("--name", "my-site").workers(Mode::Process, 2);
    let server = Server::start(options);
    assert_eq!(process(&server, "-")[2], "my-site");
    for process in children(server.pid()).into_iter().chain([server.pid()]) {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).expect("it runs");
        assert_eq!(name, "my-site\n");
    }
}

#[test]
fn a_variable_replaces_that_of_the_environment_and_of_the_file() {
    let folder = TempDir::new().expect("temporary directories can be made");
    fs::write(folder.path().join("vars.env"), "A=file").expect("it can be written");
    let options = app().directory(folder.path()).env("A", "environment").with("--env-file", "vars.env");
    let server = Server::start(options.with("--set-env", "A=b=c,d"));
    assert_eq!(process(&server, "A")[3], "b=c,d");
}

#[test]
fn the_pid_file_names_the_server_while_it_runs() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let file = folder.path().join("server.pid");
    let options = || app().with("--pid", &file);
    let mut server = Server::start(options());
    let first = format!("{}\n", server.pid());
    assert_eq!(fs::read_to_string(&file).expect("it is there"), first);
    let second = Server::run(options());
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(
        second.stderr.contains(&format!("runs with it as process {}", server.pid())),
        "{}",
        second.stderr
    );
    // The refused one has left the file to its owner.
    assert_eq!(fs::read_to_string(&file).expect("it is there"), first);
    server.sigterm();
    server.wait_exit();
    assert!(!file.exists());
}

#[test]
fn the_pid_file_of_a_killed_server_is_taken_over() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let file = folder.path().join("server.pid");
    let mut server = Server::start(app().with("--pid", &file));
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    assert!(file.exists());
    let mut server = Server::start(app().with("--pid", &file));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), format!("{}\n", server.pid()));
    // A second signal ends it at once, and cleans up all the same.
    server.signal(Signal::SIGINT);
    server.signal(Signal::SIGINT);
    server.wait_exit();
    assert!(!file.exists());
}

#[test]
fn a_server_that_cannot_bind_leaves_no_pid_file() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let file = folder.path().join("server.pid");
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("bound").port().to_string();
    let failed = Server::run(app().without_port().with("--port", port).with("--pid", &file));
    assert_eq!(failed.code, Some(4), "{}", failed.stderr);
    assert!(!file.exists());
}

/// Whether this is root, and nobody may read the applications and their interpreter.
fn can_become_nobody() -> bool {
    let readable = |path: &Path| {
        let mut test = Command::new("setpriv");
        test.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "test", "-r"]).arg(path);
        test.status().is_ok_and(|status| status.success())
    };
    let venv = pounce_tests::python::interpreter().unwrap_or_else(|| "/".into());
    let can = readable(&apps().join("kit.py")) && readable(&venv);
    if !can {
        println!("skipped: the tests do not run as root, or in a folder that only root may read");
    }
    can
}

#[test]
fn the_server_becomes_the_user_once_everything_is_open() {
    if !can_become_nobody() {
        return;
    }
    let folder = TempDir::new().expect("temporary directories can be made");
    for mode in [Mode::Process, Mode::Thread] {
        let file = |name: &str| folder.path().join(format!("{name}-{mode:?}"));
        let options = app().with("--user", "65534").workers(mode, 2).tls();
        let options = options.with("--bind", format!("unix:{}", file("socket").display()));
        let options = options.with("--pid", file("pid")).with("--access-logfile", file("access"));
        let server = Server::start(options.with("--bind", "127.0.0.1:0"));
        let told = process(&server, "-");
        assert!(told[1].starts_with("65534:"), "{told:?}");
        eventually("the request is in the log", || {
            fs::read_to_string(file("access")).expect("it is there").contains("/process/-").then_some(())
        });
        for name in ["socket", "pid", "access"] {
            assert_eq!(fs::metadata(file(name)).expect("it is there").uid(), 65534, "{name}");
        }
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    }
}

#[test]
fn what_cannot_be_done_to_the_process_is_said() {
    for (option, value, said) in [
        ("--chdir", "/nowhere", "cannot change to the folder /nowhere: No such file"),
        ("--user", "nosuch", "there is no user \"nosuch\" on this system"),
        ("--group", "nosuch", "there is no group \"nosuch\" on this system"),
        ("--umask", "9", "umask: expected octal permission bits"),
        ("--set-env", "A", "set-env: expected NAME=VALUE, not \"(hidden)\""),
        ("--pid", "/nowhere/pid", "cannot use the pid file /nowhere/pid: it cannot be written"),
        ("--error-logfile", "/nowhere/log", "cannot open the log file /nowhere/log: No such file"),
        ("--access-logfile", "/", "cannot open the log file /: Is a directory"),
    ] {
        let exit = Server::run(app().with(option, value));
        assert_eq!(exit.code, Some(2), "{option}: {}", exit.stderr);
        assert!(exit.stderr.contains(said), "{option}: {}", exit.stderr);
    }
}
