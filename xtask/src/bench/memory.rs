//! `cargo xtask bench --memory`: the memory of 1, 2 and 4 workers, after they have started and after they have served.
//!
//! The figure is the proportional set size of the server's whole process tree: each process that maps a shared page
//! counts its share of it, so the sum is about what the machine would have back without the server. It distinguishes
//! servers that load the application once and fork from those that load it in each worker, and it shows what requests
//! leave behind. Each server runs alone, on all cores. Other processes on the same Python make the figures smaller,
//! since they share its pages.

mod table;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;

use super::cpu;
use super::host::Host;
use super::http::{self, Client};
use super::lineup::Lineup;
use super::measure::{median, mib};
use super::process::Running;
use super::report::Results;
use super::servers::{self, Server};
use super::workloads::{self, Workload};
use super::{Options, each_workload, load};

/// The numbers of workers to measure.
const WORKERS: [u32; 3] = [1, 2, 4];

/// The number of requests served in between, `AT_ONCE` at a time, so that each worker gets some.
const REQUESTS: usize = 2000;
const AT_ONCE: usize = 50;

/// A tree's memory is settled once it has not changed by more than this share for this long.
const STEADY_WITHIN: f64 = 0.005;
const STEADY_FOR: Duration = Duration::from_secs(1);
/// How long it may take to settle: workers that load a framework on a busy machine take seconds.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// The results of one workload.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    workload: &'static str,
    about: &'static str,
    rows: Vec<Row>,
}

/// One server's results.
#[derive(Debug, Serialize)]
struct Row {
    server: String,
    /// By number of workers, in the order of `WORKERS`, and by round.
    sizes: [Vec<Sizes>; WORKERS.len()],
    /// Why there are no figures.
    note: Option<String>,
}

/// The memory of one start of a server, in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sizes {
    started: f64,
    served: f64,
    /// The number of processes in the tree, including supervisors.
    processes: usize,
}

/// Measures the memory of the servers with each workload.
pub(super) fn run(workloads: &[&'static Workload], options: &Options) -> Result<()> {
    workloads::require_plain("--memory", workloads)?;
    each_workload(workloads, Lineup::build(options)?, options, |workload, servers, host| {
        eprintln!("{}: {}", workload.name, workload.about);
        let rows = servers.iter().map(|server| measure_server(server, workload, options, host)).collect();
        Ok(Measured { workload: workload.name, about: workload.about, rows })
    })
}

fn measure_server(server: &Server, workload: &Workload, options: &Options, host: &Host) -> Row {
    let mut row = Row { server: server.name.clone(), sizes: [const { Vec::new() }; 3], note: None };
    for _ in 0..options.rounds {
        for (number, workers) in WORKERS.into_iter().enumerate() {
            eprintln!("  {} with {workers}", server.name);
            match sizes(server, workers, workload, host) {
                Ok(sizes) => row.sizes[number].push(sizes),
                Err(error) => {
                    eprintln!("  {}: {error:#}", server.name);
                    row.note = Some(format!("with {workers} workers: {error:#}"));
                    return row;
                }
            }
        }
    }
    row
}

/// Starts a server with `workers` workers and measures it before and after the requests.
fn sizes(server: &Server, workers: u32, workload: &Workload, host: &Host) -> Result<Sizes> {
    // All servers have this option; if it is given twice, the last one counts.
    let arguments = ["--workers".to_owned(), workers.to_string()];
    let server = server.clone().with(format!("{}-{workers}", server.name), &arguments);
    let running = Running::start(&server, workload, &host.cores, &[])?;
    let started = settled(running.pid())?;
    load::check(workload, running.port)?;
    serve(workload, running.port)?;
    let served = settled(running.pid())?;
    let processes = cpu::tree(running.pid()).len();
    running.stop()?;
    Ok(Sizes { started, served, processes })
}

/// The memory of a process tree in MiB once it no longer changes: a server answers before all its workers are up.
fn settled(root: u32) -> Result<f64> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let (mut steady, mut since) = (0.0, Instant::now());
    while Instant::now() < deadline {
        let size = mib(cpu::proportional_set_size(root));
        if (size - steady).abs() > STEADY_WITHIN * steady {
            (steady, since) = (size, Instant::now());
        } else if since.elapsed() >= STEADY_FOR {
            return Ok(size);
        }
        sleep(Duration::from_millis(100));
    }
    bail!("its memory still changes after {} s", SETTLE_WITHIN.as_secs())
}

/// Makes the requests, on keep-alive connections that are closed at the end.
fn serve(workload: &Workload, port: u16) -> Result<()> {
    let request = http::request(workload.path, workload.body().as_deref());
    let mut clients = (0..AT_ONCE).map(|_| Client::connect(port)).collect::<Result<Vec<_>>>()?;
    for _ in 0..REQUESTS / AT_ONCE {
        for client in &mut clients {
            client.send(&request)?;
        }
        for client in &mut clients {
            if let Some(fault) = workload.fault(&client.response()?) {
                bail!("a wrong answer: {fault}");
            }
        }
    }
    Ok(())
}

impl Row {
    /// The median of a figure for the number of workers at index `number` of `WORKERS`.
    fn median(&self, number: usize, value: fn(&Sizes) -> f64) -> f64 {
        median(self.sizes[number].iter().map(value).collect())
    }

    /// Whether every number of workers was measured.
    fn has_figures(&self) -> bool {
        self.sizes.iter().all(|sizes| !sizes.is_empty())
    }
}

impl Results for Measured {
    fn method(_host: &Host, options: &Options) -> String {
        format!("Each server alone, on all cores. Medians of {} starts.", options.rounds)
    }

    fn markdown(&self) -> String {
        table::markdown(self)
    }
    fn is_complete(&self, servers: &[Server]) -> bool {
        servers::holds_of_ours(servers, &self.rows, |row| &row.server, |row| row.note.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_makes_as_many_requests() {
        assert_eq!(REQUESTS % AT_ONCE, 0);
    }

    #[test]
    fn a_process_that_does_nothing_settles() {
        let mut idle = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let size = settled(idle.id());
        idle.kill().unwrap();
        idle.wait().unwrap();
        assert!(size.unwrap() > 0.0);
    }
}
