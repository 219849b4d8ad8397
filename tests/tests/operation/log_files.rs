//! Logs in files.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use nix::sys::signal::Signal;
use pounce_tests::modes::Mode;
use pounce_tests::wait::eventually;
use pounce_tests::{Client, Options, Server};
use tempfile::TempDir;

fn wait_line(file: &Path, text: &str) {
    eventually(&format!("{text:?} is in {}", file.display()), || {
        fs::read_to_string(file).unwrap_or_default().contains(text).then_some(())
    });
}

/// A server with both logs in a folder, once it serves.
fn start(folder: &Path, mode: Mode) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let options = Options::app("workers:app").with("--error-logfile", folder.join("error"));
    let options = options.with("--access-logfile", folder.join("access")).workers(mode, 2);
    let server = Server::spawn(options.without_port().with("--fd", "3").inherit(listener));
    wait_line(&folder.join("error"), "ready:");
    (server, address)
}

/// Asks for a path, and waits until the access log has it.
fn ask(address: SocketAddr, file: &Path, path: &str) {
    Client::tcp(address).get(path).response().expect(200);
    wait_line(file, path);
}

#[test]
fn a_renamed_file_is_left_and_a_new_one_is_made() {
    for mode in [Mode::Process, Mode::Thread] {
        let folder = TempDir::new().expect("temporary directories can be made");
        let access = folder.path().join("access");
        let (server, address) = start(folder.path(), mode);
        ask(address, &access, "/who?first");
        fs::rename(&access, folder.path().join("access.1")).expect("it is there");
        ask(address, &access, "/who?second");
        // The signal that log rotation sends to other servers changes nothing.
        server.signal(Signal::SIGUSR1);
        ask(address, &access, "/who?third");
        let old = fs::read_to_string(folder.path().join("access.1")).expect("it is there");
        assert!(old.contains("first") && !old.contains("second"), "{old}");
        assert_eq!((server.stderr(), server.stdout()), (String::new(), Vec::new()));
    }
}

#[test]
fn what_ends_the_server_is_on_standard_error_as_well() {
    let folder = TempDir::new().expect("temporary directories can be made");
    let file = folder.path().join("error");
    let exit = Server::run(Options::app("nowhere:app").with("--error-logfile", &file));
    for text in [fs::read_to_string(&file).expect("it is there"), exit.stderr] {
        assert!(text.contains("error: cannot load the application"), "{text}");
    }
}

#[test]
fn a_dash_is_the_stream() {
    let options = Options::app("workers:app").with("--error-logfile", "-").with("--access-logfile", "-");
    let server = Server::start(options);
    server.get("/who?here");
    server.wait_stdout_line("/who?here");
}
