//! `cargo xtask bench --open`: latencies at a fixed rate of arrivals, the same for all servers.
//!
//! The closed load of the other modes waits for a response before it sends the next request: a server that stalls
//! gets fewer requests meanwhile, and its latencies at full load only show the length of its queue. Clients of a real
//! service do not wait for each other. So the rate is fixed here, and a request's time begins when it is due
//! (`generator.rs`).
//!
//! First the closed load measures each server's capacity. The rates are 50 % and 80 % of the base: the capacity of the
//! slower of Pounce (its slowest build, if there are several) and the best peer. Every server gets the same rates. With
//! rates relative to its own capacity, a server that is half as fast would get half the requests and look as good. With
//! the slower of the two as the base, neither gets more than it can do, and the faster one shows its spare capacity in
//! its latencies. A still slower peer may miss the rate: the text below the table says so, and its latencies grow with
//! the length of the run.

mod connection;
mod generator;
mod rates;
mod schedule;
mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use self::generator::Asked;
use self::rates::SHARES;
use super::host::Host;
use super::lineup::Lineup;
use super::measure::{self, median};
use super::process::Running;
use super::report::Results;
use super::servers::{self, Role, Server};
use super::workloads::{self, Workload};
use super::{Options, cpu, each_workload, host, http, load};
use crate::error::hinted;

/// The results of one workload.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    workload: &'static str,
    about: &'static str,
    connections: u32,
    /// The capacity of the slower of Pounce and the best peer, in requests a second; the rates are shares of it.
    base: f64,
    /// The name of that server.
    base_server: String,
    rows: Vec<Row>,
}

/// One server's results.
#[derive(Debug, Serialize)]
struct Row {
    server: String,
    /// Requests a second under the closed load, one figure a round.
    closed: Vec<f64>,
    /// By rate, in the order of `SHARES`.
    rates: [Vec<Round>; SHARES.len()],
    /// Bad responses and failed connections of all rounds.
    errors: u64,
    /// Why figures are missing or doubtful.
    note: Option<String>,
}

/// One round of one server at one rate.
#[derive(Debug, Serialize)]
struct Round {
    asked_per_second: f64,
    cpu_us: f64,
    /// The share of the run during which the server was on its core.
    core: f64,
    #[serde(flatten)]
    seen: generator::Seen,
}

/// A server in the measurement, with its process and its results.
struct Entrant<'a> {
    server: &'a Server,
    running: Option<Running>,
    row: Row,
}

/// Measures the workloads at fixed rates.
pub(super) fn run(workloads: &[&'static Workload], options: &Options) -> Result<()> {
    workloads::require_plain("--open", workloads)?;
    let lineup = Lineup::build(options)?;
    if lineup.host.load_core == lineup.host.server_core {
        return Err(hinted("--open needs a core for the load alone", "run it on a machine with two cores"));
    }
    each_workload(workloads, lineup, options, |workload, servers, host| {
        measure_workload(workload, servers, options, host)
    })
}

fn measure_workload(
    workload: &'static Workload,
    servers: &[Server],
    options: &Options,
    host: &Host,
) -> Result<Measured> {
    let connections = options.connections(workload);
    eprintln!("{}: {} (c{connections})", workload.name, workload.about);
    let serving = servers.iter().filter(|server| server.serves(workload));
    let mut entrants: Vec<Entrant<'_>> =
        serving.map(|server| Entrant::start(server, workload, connections, host)).collect();
    for round in 1..=options.rounds {
        eprintln!("  capacity, round {round} of {}", options.rounds);
        for entrant in &mut entrants {
            entrant.attempt(|running, row| {
                let core = [host.load_core];
                let seen = load::run(workload, connections, options.seconds, running.port, &core)?;
                row.errors += seen.bad_responses + seen.socket_errors;
                row.closed.push(seen.requests_per_second);
                Ok(())
            });
        }
    }
    // A peer with errors does less work, so it is no base.
    let is_measure = |entrant: &&Entrant<'_>| {
        entrant.row.note.is_none() && (entrant.row.errors == 0 || entrant.server.role != Role::Peer)
    };
    let capacities: Vec<(Role, f64, &str)> = entrants
        .iter()
        .filter(is_measure)
        .map(|entrant| (entrant.server.role, entrant.row.capacity(), entrant.server.name.as_str()))
        .collect();
    let (base, base_server) = rates::base(&capacities)
        .context("neither Pounce nor a peer has a capacity that the rates could be a part of")?;
    let request = http::request(workload.path, workload.body().as_deref());
    for round in 1..=options.rounds {
        for (number, share) in SHARES.iter().enumerate() {
            let rate = (base * share).round();
            eprintln!("  {rate} requests/s, round {round} of {}", options.rounds);
            let duration = Duration::from_secs(options.seconds.into());
            for entrant in &mut entrants {
                entrant.attempt(|running, row| {
                    let asked = Asked { request: &request, port: running.port, connections, rate, duration };
                    let measured = one_round(running, &asked, host)?;
                    row.errors += measured.seen.bad_responses + measured.seen.socket_errors;
                    row.rates[number].push(measured);
                    Ok(())
                });
            }
        }
    }
    let base_server = base_server.to_owned();
    let rows = entrants.into_iter().map(Entrant::finish).collect::<Result<_>>()?;
    let (workload, about) = (workload.name, workload.about);
    Ok(Measured { workload, about, connections, base, base_server, rows })
}

fn one_round(running: &Running, asked: &Asked<'_>, host: &Host) -> Result<Round> {
    let began = Instant::now();
    let (spent, seen) =
        cpu::during(running.pid(), || host::on_cores(&[host.load_core], || generator::run(asked)));
    let seen = seen??;
    ensure!(seen.requests > 0, "no request was answered");
    let cpu_us = spent.total() / 1000.0 / seen.requests as f64;
    let core = spent.total() / began.elapsed().as_nanos() as f64;
    Ok(Round { asked_per_second: asked.rate, cpu_us, core, seen })
}

impl<'a> Entrant<'a> {
    fn start(server: &'a Server, workload: &Workload, connections: u32, host: &Host) -> Entrant<'a> {
        let rates = [Vec::new(), Vec::new()];
        let row = Row { server: server.name.clone(), closed: Vec::new(), rates, errors: 0, note: None };
        let mut entrant = Entrant { server, running: None, row };
        match measure::together(server, workload, connections, host) {
            Ok(running) => entrant.running = Some(running),
            Err(error) => entrant.row.note = Some(format!("{error:#}")),
        }
        entrant
    }

    /// Runs a measurement, unless an earlier one failed.
    fn attempt(&mut self, work: impl FnOnce(&Running, &mut Row) -> Result<()>) {
        if let Some(running) = &self.running
            && self.row.note.is_none()
            && let Err(error) = work(running, &mut self.row)
        {
            eprintln!("  {}: {error:#}", self.server.name);
            self.row.note = Some(format!("{error:#}"));
        }
    }

    fn finish(self) -> Result<Row> {
        if let Some(running) = self.running {
            running.stop()?;
        }
        Ok(self.row)
    }
}

impl Row {
    /// The median of the requests a second under the closed load.
    fn capacity(&self) -> f64 {
        median(self.closed.clone())
    }
}

impl Results for Measured {
    fn method(host: &Host, options: &Options) -> String {
        measure::taking_turns(host, options)
    }

    fn markdown(&self) -> String {
        table::markdown(self)
    }
    fn is_complete(&self, servers: &[Server]) -> bool {
        let is_whole = |row: &Row| row.note.is_none() && row.errors == 0;
        servers::holds_of_ours(servers, &self.rows, |row| &row.server, is_whole)
    }
}
