//! `cargo xtask bench`: Pounce beside other servers, on the same cores, taking turns.
//!
//! The first figure is CPU time per request of the server's whole process tree: it holds on a busy machine,
//! where requests per second do not. What counts is a ratio within one run.

mod build;
mod callgrind;
mod certificate;
mod cpu;
mod h2load;
mod host;
mod http;
mod in_process;
mod load;
mod measure;
mod modes;
mod peers;
mod plot;
mod process;
pub(crate) mod quick;
mod report;
mod s_time;
mod servers;
mod syscalls;
mod table;
mod websocket;
mod workloads;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;

use crate::error::hinted;
use crate::python::Python;
use crate::tally::Tally;
use crate::{venv, workspace};

/// Options of `cargo xtask bench`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The workloads to run [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    workload: Vec<String>,
    /// The servers to measure against; also granian-mt, h2corn-uvloop, hypercorn and gunicorn
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "peregrine,weft,h2corn,granian,uvicorn"
    )]
    peers: Vec<String>,
    /// How often each server is measured; the table has the medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,
    /// Connections of every workload, instead of its own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20000))]
    connections: Option<u32>,
    /// The Python to build for [default: PYO3_PYTHON, else a 3.13, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Another pounce to measure as well, as PATH or NAME=PATH; may be given several times
    #[arg(long, value_name = "[NAME=]PATH")]
    server_bin: Vec<String>,
    /// Measure the other servers alone, without building Pounce
    #[arg(long)]
    peers_only: bool,
    /// Do not build; measure what the last build left
    #[arg(long)]
    no_build: bool,
    /// Put the load on the server's core instead of the next one
    #[arg(long)]
    same_core: bool,
    /// Measure Pounce with its access log as well, which is on by default and off in the other rows
    #[arg(long)]
    access_log: bool,
    /// Count system calls per request as well, with strace, in a run of their own
    #[arg(long)]
    syscalls: bool,
    /// How many workers to measure beside one, in the modes of --modes
    #[arg(long, default_value_t = 2, requires = "modes", value_parser = clap::value_parser!(u32).range(2..=64))]
    workers: u32,
    /// Measure many workers against one, of Pounce alone, in these modes: process, process-reuseport, thread,
    /// subinterpreter
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    modes: Vec<String>,
    /// With --modes: how often the workers are replaced under load, to count the errors of that
    #[arg(long, default_value_t = 0, requires = "modes")]
    reloads: u32,
    /// The name of the files in target/bench [default: the time]
    #[arg(long)]
    name: Option<String>,
    /// Seconds long: one workload, and instruction counts against bench/baseline.json
    #[arg(long)]
    quick: bool,
    /// With --quick: write the instruction counts to bench/baseline.json
    #[arg(long, requires = "quick")]
    bless: bool,
}

impl Options {
    /// What `cargo xtask ci` runs.
    pub(crate) fn quick() -> Options {
        Options {
            workload: vec!["get-1k".into()],
            peers: Vec::new(),
            rounds: 1,
            seconds: 2,
            connections: None,
            python: None,
            server_bin: Vec::new(),
            peers_only: false,
            no_build: false,
            same_core: false,
            access_log: false,
            syscalls: false,
            workers: 2,
            modes: Vec::new(),
            reloads: 0,
            name: Some("quick".into()),
            quick: true,
            bless: false,
        }
    }
}

/// Measures, prints the tables and writes the files. Totals come from `--quick` alone, which has pass and fail.
pub(crate) fn run(options: &Options) -> Result<Option<Tally>> {
    if options.quick {
        return quick::run(options).map(Some);
    }
    if options.syscalls {
        workspace::require("strace")?;
    }
    let workloads = workloads::named(&options.workload)?;
    for program in workloads.iter().flat_map(|workload| load::programs(workload)) {
        workspace::require(program)?;
    }
    if workloads.iter().any(|workload| workload.is_tls) {
        certificate::make()?;
    }
    if !options.modes.is_empty() {
        return modes::run(&workloads, options).map(|()| None);
    }
    let peers = peers::named(&options.peers)?;
    let python = Python::for_bench(options.python.as_deref())?;
    let venv = venv::ensure(&python, "bench-venv", "requirements-bench.txt")?;
    let mut lineup = Vec::new();
    if !options.peers_only {
        lineup.push(servers::pounce("pounce", build::pounce(&python, options.no_build)?, Some(&venv)));
        if options.access_log {
            lineup.push(lineup[0].clone().with("pounce-access-log".into(), &["--access-log".into()]));
        }
        for named in &options.server_bin {
            let (name, path) = named.split_once('=').unwrap_or(("pounce-other", named));
            let path = std::path::absolute(path)?;
            if !path.is_file() {
                return Err(hinted(
                    format!("{} is not a program", path.display()),
                    "name a built pounce with `--server-bin PATH` or `--server-bin NAME=PATH`",
                ));
            }
            lineup.push(servers::pounce(name, path, Some(&venv)));
        }
    }
    let floor = if options.peers_only { None } else { build::floor(&python, options.no_build)? };
    lineup.extend(floor.map(servers::floor));
    lineup.extend(peers.into_iter().map(|peer| servers::peer(peer, &venv)));

    let host = host::Host::look(&python, Some(&venv), options.same_core)?;
    let mut results = Vec::new();
    for workload in workloads {
        let result = measure::workload(workload, &lineup, options, &host, Some(&venv))?;
        println!("{}", table::markdown(&result));
        results.push(result);
    }
    let faulty = results.iter().filter(|result| !result.is_complete(&lineup)).map(|result| result.workload);
    let faulty: Vec<&str> = faulty.collect();
    report::write(&report::Report::new(host, options, results), options.name.as_deref())?;
    if !faulty.is_empty() {
        return Err(hinted(
            format!("Pounce did not serve {} without errors", faulty.join(", ")),
            "the tables above say what happened; what the servers wrote is in target/bench/logs",
        ));
    }
    Ok(None)
}
