//! `cargo xtask bench --quick`: a short run of one workload, and instruction counts compared with a baseline.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::servers::{self, Server};
use super::workloads::{self, Workload};
use super::{Options, build, callgrind, measure, table};
use crate::error;
use crate::tally::Tally;
use crate::workspace;

/// Number of GETs in the shorter run under callgrind.
const FLOOR_REQUESTS: u32 = 2000;
const POUNCE_REQUESTS: u32 = 1000;

/// By how much a count may grow. The floor is only Rust; Pounce also runs an interpreter, which varies more.
const FLOOR_GROWTH_PERCENT: u64 = 5;
const POUNCE_GROWTH_PERCENT: u64 = 10;

/// The instruction counts in `bench/baseline.json`, to compare a change with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Baseline {
    /// The Python with which `pounce_instructions` was measured.
    python: String,
    /// Not compared; helps to explain a changed count.
    rustc: String,
    /// Per GET of 1 KiB.
    floor_instructions: Option<u64>,
    /// Per GET of 1 KiB from the raw application.
    pounce_instructions: Option<u64>,
}

/// Measures, prints the figures and compares them with the baseline.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let python = options.one_python()?;
    let pounce = servers::pounce("pounce", build::pounce(&python, options.no_build)?, None);
    let floor = build::floor(&python, options.no_build)?.map(servers::floor);
    let host = Host::look(&[python], None, options.same_core)?;
    let mut tally = look(options, &pounce, floor.as_ref(), &host)?;
    if !workspace::is_installed("valgrind") {
        println!("skipped: {}; {}", workspace::missing("valgrind"), workspace::install_hint("valgrind"));
        tally += Tally::SKIPPED;
        return Ok(tally);
    }
    let workload = workloads::named(&["get-1k".into()])?[0];
    let mut count = |server: &Server, requests| match counted(server, workload, requests, &host) {
        Ok(count) => Some(count),
        Err(failure) => {
            error::print(&failure);
            tally += Tally::FAILED;
            None
        }
    };
    let now = Baseline {
        python: host.python.clone(),
        rustc: rustc(),
        floor_instructions: floor.as_ref().and_then(|floor| count(floor, FLOOR_REQUESTS)),
        pounce_instructions: count(&pounce, POUNCE_REQUESTS),
    };
    if options.bless {
        anyhow::ensure!(tally.failed == 0, "no baseline is written of a run with failures");
        fs::write(path(), serde_json::to_string_pretty(&now)? + "\n")?;
        println!("written: {}", path().display());
        tally += Tally::PASSED;
        return Ok(tally);
    }
    let Ok(text) = fs::read_to_string(path()) else {
        println!("skipped: there is no {}; `cargo xtask bench --quick --bless` writes it", path().display());
        tally += Tally::SKIPPED;
        return Ok(tally);
    };
    let baseline: Baseline =
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path().display()))?;
    for (verdict, line) in judge(&baseline, &now) {
        println!("{line}");
        tally += verdict;
    }
    Ok(tally)
}

/// A short run of one workload. Its figures are only shown; wrong answers fail.
fn look(options: &Options, pounce: &Server, floor: Option<&Server>, host: &Host) -> Result<Tally> {
    if !workspace::is_installed("wrk") {
        println!("skipped: {}; {}", workspace::missing("wrk"), workspace::install_hint("wrk"));
        return Ok(Tally::SKIPPED);
    }
    let options = Options { connections: options.connections, ..Options::quick() };
    let workload = workloads::named(&options.workload)?[0];
    let lineup: Vec<Server> = [Some(pounce), floor].into_iter().flatten().cloned().collect();
    let measured = measure::workload(workload, &lineup, &options, host)?;
    println!("{}", table::markdown(&measured));
    Ok(Tally::of(measured.rows.iter().all(|row| row.has_figures() && row.errors == 0)))
}

fn counted(server: &Server, workload: &Workload, requests: u32, host: &Host) -> Result<u64> {
    eprintln!("counting instructions of {} under valgrind", server.name);
    let count = callgrind::per_request(server, workload, requests, host.server_core)
        .with_context(|| format!("cannot count the instructions of {}", server.name))?;
    println!("{}: {count} instructions per GET", server.name);
    Ok(count)
}

/// Compares counts with the baseline's. A smaller count never fails.
fn judge(baseline: &Baseline, now: &Baseline) -> Vec<(Tally, String)> {
    let same_python = baseline.python == now.python;
    [
        ("floor", baseline.floor_instructions, now.floor_instructions, FLOOR_GROWTH_PERCENT, true),
        ("pounce", baseline.pounce_instructions, now.pounce_instructions, POUNCE_GROWTH_PERCENT, same_python),
    ]
    .into_iter()
    .map(|(name, was, is, growth, comparable)| match (was, is) {
        _ if !comparable => {
            let line = format!(
                "skipped: {name}: the baseline is for Python {}, not {}",
                baseline.python, now.python
            );
            (Tally::SKIPPED, line)
        }
        (Some(was), Some(is)) => {
            let change = 100.0 * (is as f64 / was.max(1) as f64 - 1.0);
            let passed = is * 100 <= was * (100 + growth);
            let verdict = if passed { "fine" } else { "error" };
            let line = format!(
                "{verdict}: {name}: {is} instructions per GET, {change:+.1} % from the baseline's {was} \
                 (up to +{growth} % is fine)"
            );
            (Tally::of(passed), line)
        }
        _ => (Tally::SKIPPED, format!("skipped: {name}: there is no count to compare")),
    })
    .collect()
}

fn path() -> PathBuf {
    workspace::root().join("bench/baseline.json")
}

fn rustc() -> String {
    workspace::output(Command::new("rustc").arg("--version"))
        .map(|text| text.trim().into())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(python: &str, floor: u64, pounce: u64) -> Baseline {
        Baseline {
            python: python.into(),
            rustc: String::new(),
            floor_instructions: Some(floor),
            pounce_instructions: Some(pounce),
        }
    }

    fn verdicts(baseline: &Baseline, now: &Baseline) -> Vec<Tally> {
        judge(baseline, now).into_iter().map(|(verdict, _)| verdict).collect()
    }

    #[test]
    fn growth_beyond_the_tolerance_fails_and_shrinking_does_not() {
        let baseline = counts("3.13.0", 1000, 1000);
        assert_eq!(verdicts(&baseline, &counts("3.13.0", 1050, 1100)), [Tally::PASSED, Tally::PASSED]);
        assert_eq!(verdicts(&baseline, &counts("3.13.0", 1051, 1101)), [Tally::FAILED, Tally::FAILED]);
        assert_eq!(verdicts(&baseline, &counts("3.13.0", 500, 500)), [Tally::PASSED, Tally::PASSED]);
    }

    #[test]
    fn another_python_is_not_compared() {
        let baseline = counts("3.13.0", 1000, 1000);
        assert_eq!(verdicts(&baseline, &counts("3.12.1", 1000, 9000)), [Tally::PASSED, Tally::SKIPPED]);
    }
}
