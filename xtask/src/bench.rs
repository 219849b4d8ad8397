//! `cargo xtask bench`: compares Pounce with other servers, on the same cores, taking turns.
//!
//! The main figure is CPU time per request of the server's whole process tree: unlike requests per second, it is valid
//! on a busy machine. Only ratios within one run are comparable.

mod build;
mod callgrind;
pub(crate) mod certificate;
mod cpu;
mod event_loop;
mod h2load;
mod host;
mod http;
mod in_process;
mod lineup;
mod load;
mod measure;
mod memory;
mod modes;
mod open;
mod options;
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

use anyhow::Result;

use self::host::Host;
use self::lineup::Lineup;
pub(crate) use self::options::Options;
use self::report::{Report, Results};
use self::servers::Server;
use self::workloads::Workload;
use crate::error::hinted;
use crate::tally::Tally;
use crate::workspace;

/// Measures, prints the tables and writes the files. Only `--quick` returns a tally, since it can pass or fail.
pub(crate) fn run(options: &Options) -> Result<Option<Tally>> {
    if options.quick {
        return quick::run(options).map(Some);
    }
    if options.event_loop {
        return event_loop::run(options).map(|()| None);
    }
    if options.syscalls {
        workspace::require("strace")?;
    }
    let workloads = options.workloads()?;
    for program in workloads.iter().flat_map(|workload| load::programs(workload)) {
        workspace::require(program)?;
    }
    if workloads.iter().any(|workload| workload.is_tls) {
        certificate::make()?;
    }
    if !options.modes.is_empty() {
        return modes::run(&workloads, options).map(|()| None);
    }
    let measure = if options.open {
        open::run
    } else if options.memory {
        memory::run
    } else {
        measure::run
    };
    measure(&workloads, options).map(|()| None)
}

/// Measures each workload on a lineup, prints its tables and writes the files. Fails if Pounce failed in a workload.
fn each_workload<T: Results>(
    workloads: &[&'static Workload],
    Lineup { servers, host }: Lineup,
    options: &Options,
    measure: impl Fn(&'static Workload, &[Server], &Host) -> Result<T>,
) -> Result<()> {
    let (mut results, mut faulty) = (Vec::new(), Vec::new());
    for workload in workloads {
        let result = measure(workload, &servers, &host)?;
        println!("{}", result.markdown());
        if !result.is_complete(&servers) {
            faulty.push(workload.name);
        }
        results.push(result);
    }
    report::write(&Report::new(host, options, results), options.name.as_deref())?;
    if faulty.is_empty() {
        return Ok(());
    }
    Err(hinted(
        format!("Pounce did not serve {} without errors", faulty.join(", ")),
        "the tables above say what happened; what the servers wrote is in target/bench/logs",
    ))
}
