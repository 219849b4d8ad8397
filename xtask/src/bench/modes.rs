//! `cargo xtask bench --modes`: compares many workers with one: the cost of a request, whether the workers run in
//! parallel, the memory of each, how evenly the load is spread, and whether requests are lost while workers are
//! replaced.
//!
//! Servers and load share all cores here. N workers do `N · cost of one / cost of N · busy` times the work of one,
//! where `busy` is the share of the machine's time that was used: workers that wait for each other (for one GIL)
//! cost no CPU time, but leave cores idle.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::signal::Signal;

use super::cpu::{self, Usage};
use super::host::Host;
use super::measure::{median, mib};
use super::process::{Running, signal};
use super::servers::{self, Server};
use super::workloads::Workload;
use super::{Options, build, load};
use crate::error::hinted;
use crate::python::Python;

/// Every mode with its arguments.
const MODES: [(&str, &[&str]); 4] = [
    ("process", &["--worker-mode", "process"]),
    ("process-reuseport", &["--worker-mode", "process", "--reuse-port"]),
    ("thread", &["--worker-mode", "thread"]),
    ("subinterpreter", &["--worker-mode", "subinterpreter"]),
];

/// How many workers are added to measure the memory of one more.
const MORE: u32 = 2;

/// One server under load: medians over the rounds.
struct Seen {
    cpu_us: f64,
    busy: f64,
    requests_per_second: f64,
    p99_ms: f64,
    /// CPU time of the least busy worker, relative to the busiest.
    evenness: f64,
    errors: u64,
}

/// Measures each mode on each workload and prints a table for each workload.
pub(super) fn run(workloads: &[&'static Workload], options: &Options) -> Result<()> {
    let mut modes = Vec::new();
    for name in &options.modes {
        let Some(mode) = MODES.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = MODES.iter().map(|(name, _)| *name).collect();
            return Err(hinted(
                format!("there is no mode `{name}`"),
                format!("use one of {}", known.join(", ")),
            ));
        };
        let python = python_for(name, options)?;
        modes.push((*mode, build::pounce(&python, options.no_build)?, python));
    }
    for workload in workloads {
        if workload.app != "raw" {
            bail!("--modes measures the raw application alone, and {} is of another", workload.name);
        }
        println!("### {}, {} workers\n", workload.name, options.workers);
        println!(
            "| mode | Python | CPU µs/req, one | many | busy | × one worker | req/s, one | many | p99 ms | evenness | MiB per worker | errors | errors in {} reloads |",
            options.reloads
        );
        println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for ((name, arguments), program, python) in &modes {
            let host = Host::look(std::slice::from_ref(python), None, false)?;
            let server = |count: u32| {
                let arguments: Vec<String> = match count {
                    1 => Vec::new(),
                    _ => ["--workers".to_owned(), count.to_string()]
                        .into_iter()
                        .chain(arguments.iter().map(ToString::to_string))
                        .collect(),
                };
                servers::pounce("", program.clone(), None).with(format!("{name}-{count}"), &arguments)
            };
            let many = options.workers;
            let (one, all) = in_turn(&server(1), &server(many), workload, options, &host)?;
            let memory = memory(&server(many), &server(many + MORE), workload, options, &host)?;
            let lost = match options.reloads {
                0 => "–".to_owned(),
                reloads => reload(&server(many), workload, reloads, options, &host)?.to_string(),
            };
            let ratio = f64::from(many) * one.cpu_us / all.cpu_us * all.busy;
            println!(
                "| {name} | {} | {:.2} | {:.2} | {:.2} | {ratio:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {memory:.1} | {} | {lost} |",
                host.python,
                one.cpu_us,
                all.cpu_us,
                all.busy,
                one.requests_per_second,
                all.requests_per_second,
                all.p99_ms,
                all.evenness,
                one.errors + all.errors,
            );
        }
        println!();
    }
    Ok(())
}

/// The Python for a mode: free-threaded for threads, which otherwise do not run in parallel.
fn python_for(mode: &str, options: &Options) -> Result<Python> {
    if mode == "thread"
        && options.python.is_empty()
        && let Some(python) = ["3.14t", "3.13t"].iter().find_map(|version| Python::find(version))
    {
        return Ok(python);
    }
    options.one_python()
}

fn start(server: &Server, workload: &Workload, options: &Options, host: &Host) -> Result<Running> {
    let running = Running::start(server, workload, &host.cores, &[])?;
    load::check(workload, running.port)?;
    let connections = options.connections(workload);
    load::run(workload, connections, 1, running.port, &host.cores)?;
    Ok(running)
}

/// Measures one worker and many in turn, so that both meet the same conditions.
fn in_turn(
    one: &Server,
    many: &Server,
    workload: &Workload,
    options: &Options,
    host: &Host,
) -> Result<(Seen, Seen)> {
    let running = [start(one, workload, options, host)?, start(many, workload, options, host)?];
    let counts = [1, options.workers as usize];
    let mut rounds: [Vec<Seen>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        for ((running, rounds), workers) in running.iter().zip(&mut rounds).zip(counts) {
            rounds.push(round(running, workers, workload, options, host)?);
        }
    }
    for running in running {
        running.stop()?;
    }
    let [one, many] = rounds.map(|rounds| summary(&rounds));
    Ok((one, many))
}

fn round(
    running: &Running,
    workers: usize,
    workload: &Workload,
    options: &Options,
    host: &Host,
) -> Result<Seen> {
    let (before, idle, began) = (Usage::of(running.pid()), cpu::idle(), Instant::now());
    let connections = options.connections(workload);
    let seen = load::run(workload, connections, options.seconds, running.port, &host.cores)?;
    let now = Usage::of(running.pid());
    let (spent, busiest) = (now.since(&before), now.busiest_since(&before, workers));
    let machine = began.elapsed().as_nanos() as f64 * host.cores.len() as f64;
    ensure!(seen.requests > 0, "no request was answered");
    let least = busiest.last().copied().unwrap_or(0) as f64;
    Ok(Seen {
        cpu_us: (spent.user + spent.system) / 1000.0 / seen.requests as f64,
        busy: (1.0 - (cpu::idle() - idle) as f64 / machine).clamp(0.0, 1.0),
        requests_per_second: seen.requests_per_second,
        p99_ms: seen.p99_ms,
        evenness: least / busiest.first().copied().unwrap_or(1).max(1) as f64,
        errors: seen.bad_responses + seen.socket_errors,
    })
}

fn summary(rounds: &[Seen]) -> Seen {
    let of = |value: fn(&Seen) -> f64| median(rounds.iter().map(value).collect());
    Seen {
        cpu_us: of(|seen| seen.cpu_us),
        busy: of(|seen| seen.busy),
        requests_per_second: of(|seen| seen.requests_per_second),
        p99_ms: of(|seen| seen.p99_ms),
        evenness: of(|seen| seen.evenness),
        errors: rounds.iter().map(|seen| seen.errors).sum(),
    }
}

/// The proportional set size of one more worker, in MiB, after the warm-up.
fn memory(fewer: &Server, more: &Server, workload: &Workload, options: &Options, host: &Host) -> Result<f64> {
    let mut sizes = [0.0, 0.0];
    for (server, size) in [fewer, more].into_iter().zip(&mut sizes) {
        let running = start(server, workload, options, host)?;
        *size = mib(cpu::proportional_set_size(running.pid()));
        running.stop()?;
    }
    Ok((sizes[1] - sizes[0]) / f64::from(MORE))
}

/// Replaces all workers `reloads` times under load, and counts the errors that clients see.
fn reload(server: &Server, workload: &Workload, reloads: u32, options: &Options, host: &Host) -> Result<u64> {
    let running = start(server, workload, options, host)?;
    let connections = options.connections(workload);
    let seconds = reloads * 2;
    let (seen, done) = thread::scope(|scope| {
        let load = scope.spawn(|| load::run(workload, connections, seconds, running.port, &host.cores));
        let mut done = 0;
        while done < reloads && !load.is_finished() {
            signal(running.pid(), Signal::SIGHUP);
            while running.written().matches("Reloaded").count() <= done as usize && !load.is_finished() {
                thread::sleep(Duration::from_millis(20));
            }
            done = running.written().matches("Reloaded").count() as u32;
        }
        (load.join(), done)
    });
    let seen = seen.unwrap_or_else(|_| bail!("the load generator failed"))?;
    running.stop()?;
    ensure!(done >= reloads, "only {done} of {reloads} reloads were complete in {seconds} s");
    Ok(seen.bad_responses + seen.socket_errors)
}
