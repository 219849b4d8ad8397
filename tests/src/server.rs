//! The running server process: started, waited for until ready, signalled, and never left behind.

use crate::client::Client;
use crate::options::Options;
use crate::output::Output;
use crate::process;
use crate::response::Response;
use crate::secured::{Connector, Tls};
use crate::wait::{PATIENCE, eventually, within};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// How a server ended, and its output.
#[derive(Debug)]
pub struct Exit {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

/// A running server. Dropping it kills it and everything it started.
#[derive(Debug)]
pub struct Server {
    child: Child,
    status: Option<ExitStatus>,
    stdout: Output,
    stderr: Output,
    addresses: OnceLock<Vec<SocketAddr>>,
    directory: Directory,
    tls: Option<Tls>,
    _guard: Guard,
}

#[derive(Debug)]
enum Directory {
    Own(TempDir),
    Given(PathBuf),
}

impl Server {
    /// Starts a server and waits until it reports that it is ready.
    pub fn start(options: Options) -> Self {
        let mut server = Self::spawn(options);
        server.wait_ready();
        server
    }

    /// Starts a server that logs nothing below `level`, not even its address: it gets a socket that
    /// listens, in which the first request waits until the server is ready.
    pub fn start_silent(options: Options, level: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let options = options.without_port().inherit(listener).with("--fd", "3");
        let server = Self::spawn(options.with("--log-level", level));
        server.addresses.get_or_init(|| vec![address]);
        server
    }

    /// Starts a server and returns at once.
    pub fn spawn(mut options: Options) -> Self {
        let tls = options.take_tls();
        let directory = match options.chosen_directory() {
            Some(path) => Directory::Given(path.to_owned()),
            None => Directory::Own(TempDir::new().expect("temporary directories can be made")),
        };
        let mut command = options.command(directory.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            _guard: Guard::over(child.id()),
            stdout: Output::collect(child.stdout.take().expect("piped")),
            stderr: Output::collect(child.stderr.take().expect("piped")),
            child,
            status: None,
            addresses: OnceLock::new(),
            directory,
            tls,
        }
    }

    /// Runs a server that is expected to stop by itself.
    pub fn run(options: Options) -> Exit {
        Self::spawn(options).wait_exit()
    }

    /// Waits until the server reports that it is ready; panics with its output if it does not.
    pub fn wait_ready(&mut self) {
        let ready = self.stderr.wait(PATIENCE, |text| text.contains(READY).then_some(()));
        assert!(ready.is_some(), "not ready\n{}", self.printed());
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first TCP address that the server announces.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Every TCP address that the server announces.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.addresses.get_or_init(|| {
            let found =
                self.stderr.wait(PATIENCE, |text| Some(announced(text)).filter(|all| !all.is_empty()));
            found.unwrap_or_else(|| panic!("no address announced\n{}", self.printed()))
        })
    }

    /// The first TCP address, if the server has announced one yet.
    pub(crate) fn served_at(&self) -> Option<SocketAddr> {
        announced(&self.stderr()).first().copied()
    }

    /// The directory that the server runs in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// Waits until standard error contains `text`.
    pub fn wait_stderr(&self, text: &str) {
        let found = self.stderr.wait(PATIENCE, |all| all.contains(text).then_some(()));
        assert!(found.is_some(), "stderr never said {text:?}\n{}", self.printed());
    }

    /// Waits until a whole line of standard output contains `text`, and returns that line.
    pub fn wait_stdout_line(&self, text: &str) -> String {
        let line = self.stdout.wait(PATIENCE, |all| {
            let whole = &all[..all.rfind('\n')? + 1];
            whole.lines().find(|line| line.contains(text)).map(str::to_owned)
        });
        line.unwrap_or_else(|| panic!("stdout never said {text:?}\n{}", self.printed()))
    }

    /// Opens a connection.
    pub fn connect(&self) -> Client {
        self.try_connect().unwrap_or_else(|error| panic!("connect to {}: {error}", self.address()))
    }

    /// Opens a connection, or returns the error.
    pub fn try_connect(&self) -> io::Result<Client> {
        self.connector().connect()
    }

    /// How to open connections, for threads.
    pub fn connector(&self) -> Connector {
        let tls = self.tls.as_ref().map(|tls| (tls.trust.clone(), Arc::clone(&tls.config)));
        Connector { address: self.address(), tls }
    }

    /// The TLS settings that it was started with.
    pub fn tls(&self) -> &Tls {
        self.tls.as_ref().expect("started with Options::tls")
    }

    /// Requests `target` on a new connection.
    pub fn get(&self, target: &str) -> Response {
        self.request(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
    }

    /// Posts `body` to `target` on a new connection.
    pub fn post(&self, target: &str, body: &[u8]) -> Response {
        let head = format!("POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ");
        let mut request = format!("{head}{}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        self.request(request)
    }

    /// Sends one request on a new connection and reads the response to it.
    pub fn request(&self, request: impl AsRef<[u8]>) -> Response {
        let request = request.as_ref();
        let mut client = self.connect();
        client.send(request);
        if request.starts_with(b"HEAD ") { client.response_to_head() } else { client.response() }
    }

    /// Sends SIGTERM to the server.
    pub fn sigterm(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends `signal` to the server.
    pub fn signal(&self, signal: Signal) {
        kill(self.group(), signal).expect("the server runs");
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child of ours");
        }
        self.status.is_none()
    }

    /// Waits until the process ends; panics with its output if it does not.
    pub fn wait_exit(&mut self) -> Exit {
        if within(PATIENCE, || (!self.is_running()).then_some(())).is_none() {
            panic!("still running after {PATIENCE:?}\n{}", self.printed());
        }
        // A child of the server may hold the pipes a little longer; wait for its output.
        self.stdout.wait_ended(Duration::from_secs(2));
        self.stderr.wait_ended(Duration::from_secs(2));
        let status = self.status.expect("it has just ended");
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        Exit { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        process::rss_kib(self.pid())
    }

    /// The number of open file descriptors.
    pub fn fd_count(&self) -> usize {
        process::fd_count(self.pid())
    }

    /// Waits until the number of open file descriptors is at most `count`.
    pub fn wait_fd_count(&self, count: usize) {
        let what = format!("{count} file descriptors or fewer");
        eventually(&what, || (self.fd_count() <= count).then_some(()));
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn printed(&self) -> String {
        format!("--- stderr\n{}--- stdout\n{}", self.stderr.text(), self.stdout.text())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test fails: show its server's output and, if it hangs, what its threads wait for.
            eprintln!("{}\n{}", self.printed(), crate::process::threads(self.pid()));
        }
        // The group may already have ended; kill what is left.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Own(own) => own.path(),
            Self::Given(path) => path,
        }
    }
}

/// Kills a process group once the test process has ended: a server shared through a static is never
/// dropped, and an interrupted run drops nothing.
#[derive(Debug)]
struct Guard {
    child: Child,
    _alive: ChildStdin,
}

impl Guard {
    fn over(group: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "guard"]).arg(group.to_string());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = shell.spawn().expect("there is a shell");
        let alive = child.stdin.take().expect("piped");
        Self { child, _alive: alive }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the line that the server is ready.
pub const READY: &str = " ready: ";

/// The addresses in the line, as `http://ADDRESS:PORT` or `https`.
fn announced(stderr: &str) -> Vec<SocketAddr> {
    let whole = &stderr[..stderr.rfind('\n').map_or(0, |end| end + 1)];
    let line = whole.lines().find(|line| line.contains(READY)).unwrap_or_default();
    let urls = line.split("http://").flat_map(|part| part.split("https://")).skip(1);
    urls.filter_map(|url| {
        let end = url.find(|c: char| !(c.is_ascii_hexdigit() || "[].:".contains(c))).unwrap_or(url.len());
        url[..end].parse().ok()
    })
    .collect()
}
