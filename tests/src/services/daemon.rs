//! A foreign program that runs as long as the test program does. The shell that starts it waits for the end of the
//! test program, however that comes, then stops it and removes its folder.

use crate::wait::{PATIENCE, within};
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Its standard input ends when the test program does.
const SUPERVISE: &str = r#"
folder=$1 signal=$2
shift 2
"$@" </dev/null >"$folder/log" 2>&1 &
daemon=$!
read -r _
kill -s "$signal" "$daemon" 2>/dev/null
wait "$daemon"
rm -rf "$folder"
"#;

/// The running program.
#[derive(Debug)]
pub(super) struct Daemon {
    shell: Child,
    alive: Option<ChildStdin>,
}

/// How to run a program, and what it logs once it serves.
pub(super) struct Program<'a> {
    /// The command line that makes it listen on a port.
    pub(super) command: &'a dyn Fn(u16) -> Vec<String>,
    /// The signal that stops it in an orderly way.
    pub(super) signal: &'a str,
    /// The text in its log once it serves.
    pub(super) ready: &'a str,
}

impl Program<'_> {
    /// Starts it in `folder`, which belongs to it from now on, and returns its port. Tries another port if a
    /// different program has taken the chosen one.
    pub(super) fn start(&self, folder: &Path) -> (Daemon, u16) {
        for _ in 0..5 {
            let port = free_port();
            let daemon = Daemon::start(folder, self.signal, &(self.command)(port));
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            let served = within(PATIENCE, || {
                let log = log();
                let in_use = log.contains("in use").then_some(false);
                log.contains(self.ready).then_some(true).or(in_use)
            });
            match served {
                Some(true) => return (daemon, port),
                Some(false) => daemon.leave_folder(),
                None => panic!("{:?} does not serve\n{}", (self.command)(port), log()),
            }
        }
        panic!("no free port for {:?}", (self.command)(0));
    }
}

impl Daemon {
    fn start(folder: &Path, signal: &str, command: &[String]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SUPERVISE, "daemon"]).arg(folder).arg(signal).args(command);
        // A separate group: an interrupt of the terminal ends the test program first.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut shell = shell.spawn().expect("there is a shell");
        let alive = shell.stdin.take();
        Self { shell, alive }
    }

    /// Ends a program that could not start, and keeps its folder for another try.
    fn leave_folder(mut self) {
        self.shell.kill().and_then(|()| self.shell.wait()).expect("a child of ours");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.alive.take();
        let _ = self.shell.wait();
    }
}

/// A temporary folder that the daemon's shell removes, not this program.
pub(super) fn folder(name: &str) -> PathBuf {
    tempfile::Builder::new().prefix(name).tempdir().expect("temporary directories can be made").keep()
}

/// The folder that holds `program`: one of `folders`, or one on `PATH`.
pub(super) fn find(program: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = folders.into_iter().chain(std::env::split_paths(&path));
    all.find(|folder| folder.join(program).is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
