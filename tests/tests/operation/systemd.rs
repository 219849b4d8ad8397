//! What systemd says and hears.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use pounce_tests::modes::Mode;
use pounce_tests::wait::{PATIENCE, eventually};
use pounce_tests::{Client, Options, Server};
use tempfile::TempDir;

/// A socket as systemd listens at, and its path.
struct Systemd {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Systemd {
    fn new() -> Self {
        let folder = TempDir::new().expect("temporary directories can be made");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("the folder is ours");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeouts are not zero");
        Self { socket, folder }
    }

    fn options(&self) -> Options {
        Options::app("workers:app").env("NOTIFY_SOCKET", self.folder.path().join("notify"))
    }

    /// The next message, of those that are no sign of life.
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        loop {
            let count = self.socket.recv(&mut buffer).expect("the server says something");
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if text != "WATCHDOG=1" {
                return text;
            }
        }
    }
}

#[test]
fn every_change_of_state_is_told() {
    for workers in [1, 2] {
        let systemd = Systemd::new();
        let mut server = Server::start(systemd.options().workers(Mode::Process, workers));
        let ready = systemd.next();
        assert!(ready.starts_with("READY=1\nSTATUS=Serving workers:app on http://127.0.0.1:"), "{ready}");
        server.signal(Signal::SIGHUP);
        let reloading = systemd.next();
        let micros =
            reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.split('\n').next());
        assert!(
            micros.is_some_and(|micros| micros.parse::<u64>().is_ok_and(|micros| micros > 0)),
            "{reloading}"
        );
        assert_eq!(systemd.next(), ready);
        server.sigterm();
        assert_eq!(systemd.next(), "STOPPING=1\nSTATUS=Finishing running requests");
        assert_eq!(server.wait_exit().code, Some(0));
    }
}

#[test]
fn the_watchdog_is_fed_only_while_the_loop_turns() {
    let systemd = Systemd::new();
    let server = Server::start(systemd.options().env("WATCHDOG_USEC", "100000"));
    let mut buffer = [0; 4096];
    let mut fed = 0;
    while fed < 5 {
        let count = systemd.socket.recv(&mut buffer).expect("the server lives");
        fed += usize::from(&buffer[..count] == b"WATCHDOG=1");
    }
    let mut client = server.connect();
    client.get("/block/3600/file");
    eventually("it blocks", || server.directory().join("file").exists().then_some(()));
    systemd.socket.set_read_timeout(Some(Duration::from_millis(500))).expect("not zero");
    // One more may be on its way.
    let mut still = 0;
    while systemd.socket.recv(&mut buffer).is_ok() {
        still += 1;
    }
    assert!(still <= 1, "{still} signs of life of a loop that is stuck");
}

#[test]
fn the_watchdog_of_another_process_is_left_alone() {
    let systemd = Systemd::new();
    let options = systemd.options().env("WATCHDOG_USEC", "10000").env("WATCHDOG_PID", "1");
    let mut server = Server::start(options);
    server.get("/who").expect(200);
    server.sigterm();
    server.wait_exit();
    systemd.socket.set_nonblocking(true).expect("it can be");
    let mut buffer = [0; 4096];
    while let Ok(count) = systemd.socket.recv(&mut buffer) {
        assert_ne!(&buffer[..count], b"WATCHDOG=1");
    }
}

/// A server that gets a listening socket as systemd hands it over.
fn handed_over(options: Options, listener: TcpListener, process: &str) -> std::process::Child {
    let folder = TempDir::new().expect("temporary directories can be made");
    let server = options.without_port().command(&folder.keep());
    let mut shell = Command::new("/bin/sh");
    let script = format!(
        "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID={process}; exec \"$@\""
    );
    shell.args(["-c", &script, "sh"]).arg(server.get_program()).args(server.get_args());
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(server.get_current_dir().expect("it has one"));
    shell.stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
    shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("there is a shell")
}

#[test]
fn sockets_that_systemd_hands_over_are_adopted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut server = handed_over(Options::app("workers:app"), listener, "$$");
    Client::tcp(address).get("/who").response().expect(200);
    server.kill().and_then(|()| server.wait()).expect("it is ours");
}

#[test]
fn sockets_are_left_to_whom_they_are_for_and_options_win() {
    for (options, process) in [
        (Options::app("workers:app").with("--bind", "127.0.0.1:0"), "$$"),
        (Options::app("workers:app").with("--port", "0"), "1"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut server = handed_over(options, listener, process);
        let mut log = std::io::BufReader::new(server.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("ready:") {
            line.clear();
            assert_ne!(std::io::BufRead::read_line(&mut log, &mut line).expect("UTF-8"), 0, "it has ended");
        }
        assert!(!line.contains(&address.to_string()), "{line}");
        server.kill().and_then(|()| server.wait()).expect("it is ours");
    }
}
