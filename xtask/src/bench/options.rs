//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::Result;

use super::workloads::{self, Workload};
use crate::error::hinted;
use crate::python::Python;

/// Options of `cargo xtask bench`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The workloads to run [default: all; with --open: get-1k,fastapi-json; with --memory:
    /// fastapi-json]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(super) workload: Vec<String>,
    /// The servers to measure against; also granian-mt, h2corn-uvloop, hypercorn and gunicorn
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "peregrine,weft,h2corn,granian,uvicorn"
    )]
    pub(super) peers: Vec<String>,
    /// How often each server is measured; the table has the medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub(super) seconds: u32,
    /// Connections of every workload, instead of its own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20000))]
    pub(super) connections: Option<u32>,
    /// The Python to build for [default: PYO3_PYTHON, else a 3.13, else python3]. Given several times, Pounce is
    /// measured on each of them, and the other servers on the first
    #[arg(long, value_name = "PATH")]
    pub(super) python: Vec<PathBuf>,
    /// Another pounce to measure as well, as PATH or NAME=PATH; may be given several times
    #[arg(long, value_name = "[NAME=]PATH")]
    pub(super) server_bin: Vec<String>,
    /// Measure the other servers alone, without building Pounce
    #[arg(long)]
    pub(super) peers_only: bool,
    /// Do not build; measure what the last build left
    #[arg(long)]
    pub(super) no_build: bool,
    /// Put the load on the server's core instead of the next one
    #[arg(long)]
    pub(super) same_core: bool,
    /// Measure Pounce with its access log as well, which is on by default and off in the other rows
    #[arg(long)]
    pub(super) access_log: bool,
    /// Count system calls per request as well, with strace, in a run of their own
    #[arg(long)]
    pub(super) syscalls: bool,
    /// How many workers to measure beside one, in the modes of --modes
    #[arg(long, default_value_t = 2, requires = "modes", value_parser = clap::value_parser!(u32).range(2..=64))]
    pub(super) workers: u32,
    /// Measure many workers against one, of Pounce alone, in these modes: process, process-reuseport, thread,
    /// subinterpreter
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(super) modes: Vec<String>,
    /// With --modes: how often the workers are replaced under load, to count the errors of that
    #[arg(long, default_value_t = 0, requires = "modes")]
    pub(super) reloads: u32,
    /// Measure latencies at a fixed rate of arrivals: 50 % and 80 % of what the slower of Pounce and the best peer
    /// can do. Time counts from when a request was due, so a stall counts for all requests that were due meanwhile.
    /// Needs a core for the load alone
    #[arg(long, conflicts_with_all = ["modes", "quick", "same_core", "syscalls"])]
    pub(super) open: bool,
    /// Measure the memory of 1, 2 and 4 workers, after they started and after 2 000 requests
    #[arg(long, conflicts_with_all = ["open", "modes", "quick", "syscalls", "connections", "same_core"])]
    pub(super) memory: bool,
    /// Measure the event loop alone against uvloop's and asyncio's
    #[arg(long, conflicts_with_all = ["open", "memory", "modes", "quick", "syscalls", "workload"])]
    pub(super) event_loop: bool,
    /// The name of the files in target/bench [default: the time]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Seconds long: one workload, and instruction counts against bench/baseline.json
    #[arg(long)]
    pub(super) quick: bool,
    /// With --quick: write the instruction counts to bench/baseline.json
    #[arg(long, requires = "quick")]
    pub(super) bless: bool,
}

/// The default workloads of `--open`: one for the server itself, one with a common framework.
const OF_OPEN: [&str; 2] = ["get-1k", "fastapi-json"];

/// The default workload of `--memory`: with a framework, since a raw application is smaller than the server.
const OF_MEMORY: [&str; 1] = ["fastapi-json"];

impl Options {
    /// The workloads to run.
    pub(super) fn workloads(&self) -> Result<Vec<&'static Workload>> {
        match self.workload.as_slice() {
            [] if self.open => workloads::named(&OF_OPEN.map(String::from)),
            [] if self.memory => workloads::named(&OF_MEMORY.map(String::from)),
            names => workloads::named(names),
        }
    }

    /// The Pythons to measure on; the first also runs the other servers.
    pub(super) fn pythons(&self) -> Result<Vec<Python>> {
        if self.python.is_empty() {
            return Ok(vec![Python::for_bench(None)?]);
        }
        let mut pythons: Vec<Python> = Vec::new();
        for path in &self.python {
            let python = Python::for_bench(Some(path))?;
            if let Some(other) = pythons.iter().find(|other| other.name() == python.name()) {
                return Err(hinted(
                    format!(
                        "{} and {} are both Python {}",
                        other.full_version,
                        python.full_version,
                        other.name()
                    ),
                    "name one of them: the builds for a version have one folder under target",
                ));
            }
            pythons.push(python);
        }
        Ok(pythons)
    }

    /// The Python of a mode that supports only one.
    pub(super) fn one_python(&self) -> Result<Python> {
        match self.python.as_slice() {
            [_, _, ..] => Err(hinted(
                "--quick and --modes measure on one Python",
                "give `--python` once, or leave the mode out",
            )),
            python => Python::for_bench(python.first().map(PathBuf::as_path)),
        }
    }

    /// The connections of a workload.
    pub(super) fn connections(&self, workload: &Workload) -> u32 {
        self.connections.unwrap_or(workload.connections)
    }

    /// The options with which `cargo xtask ci` runs the benchmark.
    pub(crate) fn quick() -> Options {
        Options {
            workload: vec!["get-1k".into()],
            peers: Vec::new(),
            rounds: 1,
            seconds: 2,
            connections: None,
            python: Vec::new(),
            server_bin: Vec::new(),
            peers_only: false,
            no_build: false,
            same_core: false,
            access_log: false,
            syscalls: false,
            workers: 2,
            modes: Vec::new(),
            reloads: 0,
            open: false,
            memory: false,
            event_loop: false,
            name: Some("quick".into()),
            quick: true,
            bless: false,
        }
    }
}
