//! The server under test: built, started on a free loopback port, and ended with its group.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::hinted;
use crate::python::Python;
use crate::workspace;

/// How long a server may take to accept connections, and to end after SIGTERM.
const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// The named `pounce`, else a fresh release build.
pub(super) fn binary(named: Option<&Path>, python: &Python) -> Result<PathBuf> {
    match named {
        Some(path) => self::named(path),
        None => {
            workspace::run(python.cargo().args(["build", "--release", "--package", "pounce-cli"]))?;
            Ok(python.target().join("release/pounce"))
        }
    }
}

/// The absolute path of the named program.
pub(super) fn named(named: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(named)?;
    if path.is_file() {
        return Ok(path);
    }
    Err(hinted(
        format!("{} is not a program", path.display()),
        "name a built pounce with `--server-bin PATH`",
    ))
}

/// A running server. Dropping it ends it.
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Starts `app` of `tests/apps` and waits until it accepts; its output goes to `log`.
    pub(super) fn start(binary: &Path, app: &str, arguments: &[&str], log: PathBuf) -> Result<Running> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(binary);
        command.arg(app).arg("--app-dir").arg(workspace::root().join("tests/apps"));
        command.arg("--port").arg(address.port().to_string()).args(arguments);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut running = Running { child, address, log };
        running.wait()?;
        Ok(running)
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once ({status}): {}", self.written().trim());
            }
            if Instant::now() > deadline {
                bail!("the server did not accept in {START_WITHIN:?}: {}", self.written().trim());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// An error with the server's output if it does not run any more.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("the server ended while it was tested ({status}): {}", self.written().trim())
            }
        }
    }

    fn written(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(group) = i32::try_from(self.child.id()).map(Pid::from_raw) else { return };
        // Once the server is reaped, another process may have its id.
        if matches!(self.child.try_wait(), Ok(None)) {
            // A server that cannot be signalled is beyond help.
            let _ = killpg(group, Signal::SIGTERM);
            let deadline = Instant::now() + STOP_WITHIN;
            while matches!(self.child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    let _ = killpg(group, Signal::SIGKILL);
                    let _ = self.child.wait();
                }
                sleep(Duration::from_millis(10));
            }
        }
    }
}
