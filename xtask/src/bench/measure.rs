//! Measures one workload: checks each server alone, then measures all of them in turn, round by round.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::cpu;
use super::host::Host;
use super::in_process;
use super::lineup::Lineup;
use super::load::{self, Generator};
use super::process::Running;
use super::report::Results;
use super::servers::{self, Role, Server};
use super::workloads::{Load, Workload};
use super::{Options, each_workload, plot, syscalls, table};

/// How long a server is warmed up before it is measured.
const WARM_UP_SECONDS: u32 = 1;

/// The results of one workload.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) workload: &'static str,
    pub(super) about: &'static str,
    /// The unit: `req` or `msg`.
    pub(super) unit: &'static str,
    pub(super) connections: u32,
    /// False if the generator reports no latencies, or if requests are pipelined: wrk's latencies mean nothing then.
    pub(super) has_latencies: bool,
    pub(super) rows: Vec<Row>,
}

/// Describes the cores and the rounds of a measurement in turns.
pub(super) fn taking_turns(host: &Host, options: &Options) -> String {
    format!(
        "Servers on core {}, load on core {}. Medians of {} rounds of {} s, servers taking turns.",
        host.server_core, host.load_core, options.rounds, options.seconds
    )
}

impl Results for Measured {
    fn method(host: &Host, options: &Options) -> String {
        taking_turns(host, options) + " Ratios are of CPU time per request."
    }

    fn markdown(&self) -> String {
        table::markdown(self)
    }

    fn is_complete(&self, servers: &[Server]) -> bool {
        let is_whole = |row: &Row| row.has_figures() && row.errors == 0;
        servers::holds_of_ours(servers, &self.rows, |row| &row.server, is_whole)
    }

    fn plots(results: &[Measured]) -> Vec<(&'static str, String)> {
        vec![("-cpu.svg", plot::cpu(results)), ("-rate.svg", plot::rate(results))]
    }
}

/// One server's result: medians over the rounds, and the rounds themselves.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    pub(super) server: String,
    /// CPU time per request or message of the whole process tree.
    pub(super) cpu_us: f64,
    pub(super) user_us: f64,
    pub(super) system_us: f64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Proportional set size after the warm-up, with no other server running.
    pub(super) pss_mib: f64,
    /// Proportional set size after all rounds, with the others running: shows growth, but not the total.
    pub(super) pss_after_mib: f64,
    pub(super) syscalls: Option<f64>,
    /// CPU time per request of the application without a server, on the same Python.
    pub(super) in_process_us: Option<f64>,
    pub(super) errors: u64,
    /// The CPU time per request, relative to the cheapest peer's.
    pub(super) to_best_peer: Option<f64>,
    /// The CPU time per request, relative to the floor's.
    pub(super) to_floor: Option<f64>,
    /// Why figures are missing or doubtful.
    pub(super) note: Option<String>,
    pub(super) rounds: Vec<Round>,
}

/// One round of one server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Round {
    user_us: f64,
    system_us: f64,
    #[serde(flatten)]
    seen: load::Seen,
}

/// Measures the workloads under the closed load.
pub(super) fn run(workloads: &[&'static Workload], options: &Options) -> Result<()> {
    each_workload(workloads, Lineup::build(options)?, options, |one, servers, host| {
        workload(one, servers, options, host)
    })
}

/// Measures a workload on every server that supports it.
pub(super) fn workload(
    workload: &'static Workload,
    lineup: &[Server],
    options: &Options,
    host: &Host,
) -> Result<Measured> {
    let connections = options.connections(workload);
    eprintln!("{}: {} (c{connections})", workload.name, workload.about);
    let servers: Vec<&Server> = lineup.iter().filter(|server| server.serves(workload)).collect();
    let venvs = servers.iter().filter_map(|server| server.venv.as_deref());
    let mut in_process: BTreeMap<&Path, Vec<f64>> =
        venvs.filter(|_| in_process::is_measured(workload)).map(|venv| (venv, Vec::new())).collect();
    let mut rows: Vec<Row> = Vec::new();
    for server in &servers {
        rows.push(alone(server, workload, connections, options, host));
    }
    let mut running: Vec<Option<Running>> = Vec::new();
    for (server, row) in servers.iter().zip(&mut rows) {
        running.push(if row.note.is_some() {
            None
        } else {
            let started = together(server, workload, connections, host);
            started.map_err(|error| row.note = Some(format!("{error:#}"))).ok()
        });
    }
    for round in 1..=options.rounds {
        eprintln!("  round {round} of {}", options.rounds);
        for (venv, microseconds) in &mut in_process {
            microseconds.push(in_process::microseconds(workload, venv, options.seconds, host)?);
        }
        for (row, running) in rows.iter_mut().zip(&running) {
            let Some(running) = running.as_ref().filter(|_| row.note.is_none()) else { continue };
            match one_round(running, workload, connections, options.seconds, host) {
                Ok(round) => row.rounds.push(round),
                Err(error) => row.note = Some(format!("round {round}: {error:#}")),
            }
        }
    }
    for ((server, row), running) in servers.iter().zip(&mut rows).zip(running) {
        let in_process = server.venv.as_deref().and_then(|venv| in_process.get(venv));
        row.in_process_us = in_process.map(|microseconds| median(microseconds.clone()));
        if let Some(running) = running {
            row.pss_after_mib = mib(cpu::proportional_set_size(running.pid()));
            running.stop()?;
        }
        row.summarize();
    }
    compare(&servers, &mut rows);
    Ok(Measured {
        workload: workload.name,
        about: workload.about,
        unit: workload.unit(),
        connections,
        has_latencies: Generator::of(workload).has_latencies() && !matches!(workload.load, Load::Pipeline(_)),
        rows,
    })
}

/// Checks and warms up a server while no other runs, and measures its memory, which others would distort.
fn alone(server: &Server, workload: &Workload, connections: u32, options: &Options, host: &Host) -> Row {
    let mut row = Row { server: server.name.clone(), ..Row::default() };
    let mut measure = || -> Result<()> {
        let running = Running::start(server, workload, &[host.server_core], &[])?;
        load::check(workload, running.port)?;
        load::run(workload, connections, WARM_UP_SECONDS, running.port, &[host.load_core])?;
        row.pss_mib = mib(cpu::proportional_set_size(running.pid()));
        if options.syscalls {
            row.syscalls = Some(syscalls::count(&running, workload, connections, host)?);
        }
        running.stop()?;
        Ok(())
    };
    if let Err(error) = measure() {
        eprintln!("  {}: {error:#}", server.name);
        row.note = Some(format!("{error:#}"));
    }
    row
}

/// Starts a server for the rounds, warms it up and checks it.
pub(super) fn together(
    server: &Server,
    workload: &Workload,
    connections: u32,
    host: &Host,
) -> Result<Running> {
    let running = Running::start(server, workload, &[host.server_core], &[])?;
    load::run(workload, connections, WARM_UP_SECONDS, running.port, &[host.load_core])?;
    load::check(workload, running.port)?;
    Ok(running)
}

/// One measurement of one server.
fn one_round(
    running: &Running,
    workload: &Workload,
    connections: u32,
    seconds: u32,
    host: &Host,
) -> Result<Round> {
    let (spent, seen) = cpu::during(running.pid(), || {
        load::run(workload, connections, seconds, running.port, &[host.load_core])
    });
    let seen = seen?;
    ensure!(seen.requests > 0, "no request was answered");
    let per_request = |nanoseconds: f64| nanoseconds / 1000.0 / seen.requests as f64;
    Ok(Round { user_us: per_request(spent.user), system_us: per_request(spent.system), seen })
}

impl Row {
    fn summarize(&mut self) {
        let of = |value: fn(&Round) -> f64| median(self.rounds.iter().map(value).collect());
        self.cpu_us = of(|round| round.user_us + round.system_us);
        self.user_us = of(|round| round.user_us);
        self.system_us = of(|round| round.system_us);
        self.requests_per_second = of(|round| round.seen.requests_per_second);
        self.p50_ms = of(|round| round.seen.p50_ms);
        self.p99_ms = of(|round| round.seen.p99_ms);
        self.errors =
            self.rounds.iter().map(|round| round.seen.bad_responses + round.seen.socket_errors).sum();
    }

    /// Whether there are figures to compare.
    pub(super) fn has_figures(&self) -> bool {
        !self.rounds.is_empty()
    }
}

/// Fills in the ratios. A peer with errors is no yardstick: it does less work.
fn compare(servers: &[&Server], rows: &mut [Row]) {
    let cheapest = |role: Role| {
        let of_role = servers.iter().zip(rows.iter()).filter(|(server, _)| server.role == role);
        let clean = of_role.map(|(_, row)| row).filter(|row| row.has_figures() && row.errors == 0);
        clean.map(|row| row.cpu_us).min_by(f64::total_cmp)
    };
    let (best_peer, floor) = (cheapest(Role::Peer), cheapest(Role::Floor));
    for row in rows.iter_mut().filter(|row| row.has_figures()) {
        row.to_best_peer = best_peer.map(|best| row.cpu_us / best);
        row.to_floor = floor.map(|floor| row.cpu_us / floor);
    }
}

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// The middle value, or the mean of the middle two; 0 if there are none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::peers;
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn ratios_are_to_the_cheapest_peer_without_errors_and_to_the_floor() {
        let row = |user_us, bad_responses| {
            let seen = load::Seen { requests: 1, bad_responses, ..load::Seen::default() };
            let mut row = Row { rounds: vec![Round { user_us, system_us: 0.0, seen }], ..Row::default() };
            row.summarize();
            row
        };
        let pounce = servers::pounce("pounce", "p".into(), None);
        let floor = servers::floor("f".into());
        let peer = servers::peer(peers::named(&["uvicorn".into()]).unwrap()[0], "v".as_ref());
        let mut rows = [row(6.0, 0), row(5.0, 0), row(1.0, 9), row(10.0, 0)];
        compare(&[&pounce, &floor, &peer, &peer], &mut rows);
        assert_eq!(rows[0].to_best_peer, Some(0.6));
        assert_eq!(rows[0].to_floor, Some(1.2));
    }
}
