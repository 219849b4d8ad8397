//! `cargo xtask bench --event-loop`: Pounce's event loop against uvloop's and asyncio's, on the same Python, taking turns.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::certificate;
use super::options::Options;
use crate::{wheel, workspace};

/// Runs the workloads on the first Python of the options, and prints a line of a table for each.
pub(super) fn run(options: &Options) -> Result<()> {
    certificate::make()?;
    let pythons = options.pythons()?;
    let python = pythons.first().context("no Python to measure on was found")?;
    let venv = wheel::loop_venv(python)?;
    println!(
        "Python {}, microseconds of one operation, the least of {} rounds\n",
        python.full_version, options.rounds
    );
    println!(
        "| workload | asyncio | uvloop | pounce | pounce / uvloop | pounce / asyncio |\n|---|--:|--:|--:|--:|--:|"
    );
    let mut script = Command::new(venv.join("bin/python"));
    script.arg(workspace::root().join("xtask/src/bench/event_loop.py")).arg(options.rounds.to_string());
    script.arg(certificate::certificate()).arg(certificate::key()).stdout(Stdio::piped());
    let mut running = script.spawn()?;
    let mut logarithms = Vec::new();
    for line in BufReader::new(running.stdout.take().context("the script has an output")?).lines() {
        let (name, took): (String, BTreeMap<String, f64>) = serde_json::from_str(&line?)?;
        let of = |name: &str| took.get(name).copied().unwrap_or(f64::NAN);
        let (asyncio, uvloop, pounce) = (of("asyncio"), of("uvloop"), of("pounce"));
        let (to_uvloop, to_asyncio) = (pounce / uvloop, pounce / asyncio);
        println!("| {name} | {asyncio:.2} | {uvloop:.2} | {pounce:.2} | {to_uvloop:.2} | {to_asyncio:.2} |");
        logarithms.push(to_uvloop.ln());
    }
    ensure!(running.wait()?.success() && !logarithms.is_empty(), "the script failed; what it wrote is above");
    let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
    println!("\ngeometric mean of pounce / uvloop: {mean:.2}");
    Ok(())
}
