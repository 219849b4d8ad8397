//! A running server: starts it on its core, waits until it answers, stops it with all its children.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cpu;
use super::host;
use super::load;
use super::servers::Server;
use super::workloads::Workload;
use crate::workspace;

/// How long a server may take until its first answer: long, for servers under valgrind.
const START_WITHIN: Duration = Duration::from_secs(90);
/// How long a server may take to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// A running server. Dropping it ends it.
pub(super) struct Running {
    child: Child,
    pub(super) port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts a server on these cores and waits until it answers anything in the workload's protocol.
    pub(super) fn start(
        server: &Server,
        workload: &Workload,
        cores: &[usize],
        wrapper: &[String],
    ) -> Result<Running> {
        let port = free_port()?;
        let logs = workspace::target().join("bench/logs");
        fs::create_dir_all(&logs)?;
        let log = logs.join(format!("{}-{}.log", server.name, workload.name));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = server.command(wrapper, workload, port);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        command.env("BENCH_FILE", file_50k()?);
        let child = host::spawn_on(cores, &mut command)
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut running = Running { child, port, log };
        running.wait(workload)?;
        Ok(running)
    }

    fn wait(&mut self, workload: &Workload) -> Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once ({status}): {}", tail(&self.log));
            }
            if load::is_up(workload, self.port) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("it did not answer in {} s: {}", START_WITHIN.as_secs(), tail(&self.log));
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// The server's output so far.
    pub(super) fn written(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The server's first process; the others are its descendants.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server and waits for it.
    pub(super) fn stop(mut self) -> Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let tree = cpu::tree(self.pid());
        signal(self.pid(), Signal::SIGTERM);
        let deadline = Instant::now() + STOP_WITHIN;
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
            status = self.child.try_wait()?;
        }
        // Children that outlive their parent are found only in this list.
        for pid in tree.into_iter().filter(|pid| *pid != self.pid()) {
            signal(pid, Signal::SIGKILL);
        }
        match status {
            Some(status) => Ok(status),
            None => {
                self.child.kill()?;
                Ok(self.child.wait()?)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing can be done about a server that cannot be ended.
        let _ = self.end();
    }
}

/// Sends a signal; ignores that the process may be gone.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The file that the file workload serves.
fn file_50k() -> Result<PathBuf> {
    let path = workspace::target().join("bench/file-50k.bin");
    if fs::metadata(&path).map_or(0, |file| file.len()) != 50 * 1024 {
        fs::write(&path, vec![b'x'; 50 * 1024])?;
    }
    Ok(path)
}

/// The last lines a server wrote.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    if text.trim().is_empty() {
        return "it wrote nothing".into();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
