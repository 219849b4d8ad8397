//! The machine of a run: its cores, how busy it is, and the measured versions.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;

use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::python::Python;
use crate::workspace;

/// The conditions of a result, apart from the code.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Host {
    pub(super) cpu: String,
    pub(super) kernel: String,
    /// The Pythons with their full versions; the first also runs the other servers.
    pub(super) python: String,
    /// The core of the servers.
    pub(super) server_core: usize,
    /// The core of the load generator.
    pub(super) load_core: usize,
    /// All cores available to this process.
    pub(super) cores: Vec<usize>,
    /// `/proc/loadavg` before the first measurement.
    pub(super) load_before: String,
    /// The packages of the virtualenv, as `name==version`.
    pub(super) packages: Vec<String>,
}

impl Host {
    /// Inspects this machine and chooses the cores.
    pub(super) fn look(pythons: &[Python], venv: Option<&Path>, same_core: bool) -> Result<Host> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let cores: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
        let server_core = cores.first().copied().unwrap_or(0);
        let load_core = cores.get(1).copied().filter(|_| !same_core).unwrap_or(server_core);
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_string();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let full =
            |python: &Python| python.full_version.clone() + if python.free_threaded { "t" } else { "" };
        let mut packages = Vec::new();
        if let Some(venv) = venv {
            let pip = ["-I", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"];
            let listed = workspace::output(Command::new(venv.join("bin/python")).args(pip))?;
            packages.extend(listed.lines().map(String::from));
        }
        Ok(Host {
            cpu: cpu.map(|(_, name)| name.trim().to_string()).unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease"),
            python: pythons.iter().map(full).collect::<Vec<_>>().join(" and "),
            server_core,
            load_core,
            cores,
            load_before: read("/proc/loadavg"),
            packages,
        })
    }
}

/// Starts a command whose process, with all its threads and children, stays on these cores.
pub(super) fn spawn_on(cores: &[usize], command: &mut Command) -> io::Result<Child> {
    on_cores(cores, || command.spawn())?
}

/// Runs `work` on these cores. A child inherits the affinity of the thread that starts it.
pub(super) fn on_cores<T: Send>(cores: &[usize], work: impl FnOnce() -> T + Send) -> io::Result<T> {
    // The affinity sticks to the thread, so use a temporary one.
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut set = CpuSet::new();
            for core in cores {
                set.set(*core)?;
            }
            sched_setaffinity(Pid::from_raw(0), &set)?;
            Ok(work())
        });
        worker.join().unwrap_or_else(|_| Err(io::Error::other("the pinned thread panicked")))
    })
}
