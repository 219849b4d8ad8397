//! System calls per request, counted by `strace` in a separate run, because tracing slows a server many times over.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::cpu;
use super::host::Host;
use super::load;
use super::process::{Running, signal};
use super::workloads::Workload;
use crate::workspace;

/// How long the traced run takes.
const SECONDS: u32 = 2;

/// Counts the system calls of a running server per request of a workload.
pub(super) fn count(running: &Running, workload: &Workload, connections: u32, host: &Host) -> Result<f64> {
    let summary = workspace::target().join(format!("bench/strace-{}.txt", running.pid()));
    let tree = cpu::tree(running.pid());
    let mut strace = Command::new("strace");
    strace
        .args(["-c", "-f", "-o"])
        .arg(&summary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for pid in &tree {
        strace.args(["-p", &pid.to_string()]);
    }
    let mut strace = strace.spawn().context("cannot run strace")?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !tree.iter().all(|pid| is_traced(*pid)) && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
    }
    let seen = load::run(workload, connections, SECONDS, running.port, &[host.load_core]);
    signal(strace.id(), Signal::SIGINT);
    strace.wait()?;
    let text =
        fs::read_to_string(&summary).context("strace wrote nothing; may this user trace processes?")?;
    // The summary is not needed any more.
    let _ = fs::remove_file(&summary);
    let calls = total(&text).context("strace counted nothing; may this user trace processes?")?;
    let seen = seen?;
    ensure!(seen.requests > 0, "no request was answered under strace");
    Ok(calls as f64 / seen.requests as f64)
}

/// Whether every thread of a process has a tracer.
fn is_traced(pid: u32) -> bool {
    let folder = format!("/proc/{pid}/task");
    cpu::numbered(folder.as_ref()).into_iter().all(|tid| {
        let status = fs::read_to_string(format!("{folder}/{tid}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
    })
}

/// Reads the calls in the last line of `strace -c`: `100.00  0.1  2  4711  12 total`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let summary = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.030000           3     10000           sendto
 40.00    0.020000           2     10012        12 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.050000           2     20012        12 total
";
        assert_eq!(total(summary), Some(20_012));
        assert_eq!(total(""), None);
    }
}
