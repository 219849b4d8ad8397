//! Instructions per request under callgrind: a reproducible figure, so that CI can check changes against it.

use std::fs;

use anyhow::{Context, Result};

use super::http::Client;
use super::load;
use super::process::Running;
use super::servers::Server;
use super::workloads::Workload;
use crate::workspace;

/// Instructions per GET: the difference between a run of `requests` and one of twice as many, so that starting and
/// stopping cancel out.
pub(super) fn per_request(server: &Server, workload: &Workload, requests: u32, core: usize) -> Result<u64> {
    let once = total(server, workload, requests, core)?;
    let twice = total(server, workload, 2 * requests, core)?;
    Ok(twice.saturating_sub(once) / u64::from(requests))
}

/// Instructions of a whole run that serves `requests` GETs, one after the other on one connection.
fn total(server: &Server, workload: &Workload, requests: u32, core: usize) -> Result<u64> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("callgrind-{}.out", server.name));
    // A file left by an earlier run must not be taken for this run's.
    let _ = fs::remove_file(&file);
    let wrapper = ["valgrind", "-q", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]
        .map(String::from);
    let running = Running::start(server, workload, &[core], &wrapper)?;
    load::check(workload, running.port)?;
    let mut client = Client::connect(running.port)?;
    for _ in 0..requests {
        client.request(workload.path, None)?;
    }
    drop(client);
    running.stop()?;
    let text = fs::read_to_string(&file).context("callgrind wrote no result")?;
    parse(&text).context("callgrind's result has no totals")
}

/// Reads the `totals:` line of callgrind's file.
fn parse(text: &str) -> Option<u64> {
    let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    totals.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read() {
        assert_eq!(parse("events: Ir\nsummary: 12\n\nfn=(1)\n1 5\ntotals: 4711\n"), Some(4711));
        assert_eq!(parse("events: Ir\n"), None);
    }
}
