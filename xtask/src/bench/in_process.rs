//! Measures an application without a server, so that a table can show what the servers add.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::host::{self, Host};
use super::workloads::{Load, Workload};
use crate::workspace;

/// Whether to measure a workload without a server: only GETs of a framework, which takes most of the time.
pub(super) fn is_measured(workload: &Workload) -> bool {
    workload.load == Load::Get && matches!(workload.app, "fastapi_app" | "starlette_app")
}

/// The CPU time of one call in microseconds, with the Python of the benchmark's virtualenv on the servers' core.
pub(super) fn microseconds(workload: &Workload, venv: &Path, seconds: u32, host: &Host) -> Result<f64> {
    let folder = workspace::root().join("bench");
    let mut command = Command::new(venv.join("bin/python"));
    command.arg(folder.join("in_process.py")).args([workload.app, workload.path, &seconds.to_string()]);
    command.env("PYTHONPATH", folder.join("apps")).env("PYTHONHASHSEED", "0");
    command.env("PYTHONPYCACHEPREFIX", workspace::target().join("bench/pycache"));
    let printed = host::on_cores(&[host.server_core], move || workspace::output(&mut command))??;
    printed.trim().parse().with_context(|| format!("in_process.py printed `{}`", printed.trim()))
}
