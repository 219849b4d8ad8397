//! Runs `h2load`, the load generator for HTTP/2, and parses its output. Also checks the answers, as far as the output
//! shows them.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::host;
use super::load::{self, Seen};
use super::workloads::{Answer, Load, Workload};
use crate::workspace;

/// The used part of the output of `h2load`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Printed {
    requests_per_second: f64,
    done: u64,
    succeeded: u64,
    /// Failed requests with a status of 4xx or 5xx.
    bad_status: u64,
    failed: u64,
    /// Bytes of bodies.
    data: u64,
    /// The protocol negotiated by ALPN.
    protocol: Option<String>,
}

/// Drives a server for some seconds from one thread on these cores.
pub(super) fn run(
    workload: &Workload,
    connections: u32,
    seconds: u32,
    port: u16,
    cores: &[usize],
) -> Result<Seen> {
    let log = workspace::target().join(format!("bench/h2load-{port}.log"));
    // h2load would append to it.
    let _ = fs::remove_file(&log);
    let mut h2load = Command::new("h2load");
    let streams = if let Load::Streams(streams) = workload.load { streams } else { 1 };
    h2load.args(["-t1", &format!("-c{connections}"), &format!("-m{streams}"), &format!("-D{seconds}")]);
    h2load.arg(format!("--log-file={}", log.display()));
    let printed = printed(&mut h2load, workload, port, cores)?;
    let times = fs::read_to_string(&log).unwrap_or_default();
    // The log is large: a line for every request of the run.
    let _ = fs::remove_file(&log);
    let [p50_ms, p99_ms] = percentiles(&times);
    Ok(Seen {
        requests: printed.done,
        requests_per_second: printed.requests_per_second,
        p50_ms,
        p99_ms,
        bad_responses: printed.bad_status,
        socket_errors: printed.failed - printed.bad_status.min(printed.failed),
    })
}

/// Makes `requests` requests on one connection, one after the other.
pub(super) fn ask(workload: &Workload, port: u16, requests: u32) -> Result<()> {
    asked(workload, port, requests).map(drop)
}

/// Makes two requests on one connection, and checks the status, the length of the bodies and the protocol.
pub(super) fn check(workload: &Workload, port: u16) -> Result<()> {
    let printed = asked(workload, port, 2)?;
    ensure!(printed.succeeded == 2, "a wrong answer: {} of 2 had a good status", printed.succeeded);
    if let Answer::Length(length) = workload.answer {
        ensure!(
            printed.data == 2 * length as u64,
            "a wrong answer: two bodies of {} bytes instead of {length} each",
            printed.data
        );
    }
    if workload.is_tls {
        // Without ALPN, h2load falls back to another protocol.
        let protocol = printed.protocol.unwrap_or_default();
        ensure!(protocol == "h2", "ALPN agreed on `{protocol}`, not on h2");
    }
    Ok(())
}

fn asked(workload: &Workload, port: u16, requests: u32) -> Result<Printed> {
    let mut h2load = Command::new("h2load");
    h2load.args(["-c1", &format!("-n{requests}"), "--connection-active-timeout=20s"]);
    let printed = printed(&mut h2load, workload, port, &[])?;
    ensure!(printed.done == u64::from(requests), "{} of {requests} requests were answered", printed.done);
    Ok(printed)
}

/// Runs `h2load` with the URL of a workload, on `cores` or, if empty, on any core.
fn printed(h2load: &mut Command, workload: &Workload, port: u16, cores: &[usize]) -> Result<Printed> {
    h2load.arg("--npn-list=h2");
    h2load.arg(workload.url(port));
    h2load.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = if cores.is_empty() { h2load.spawn() } else { host::spawn_on(cores, h2load) };
    let output = child.context("cannot run h2load")?.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "h2load failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    parse(&text).with_context(|| format!("cannot read what h2load printed: {text}"))
}

fn parse(text: &str) -> Option<Printed> {
    let mut printed = Printed::default();
    let mut has_requests = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("finished in ") {
            let rate = rest.split(", ").find_map(|part| part.strip_suffix(" req/s"))?;
            printed.requests_per_second = rate.parse().ok()?;
        } else if let Some(counts) = line.strip_prefix("requests: ") {
            printed.done = count(counts, "done")?;
            printed.succeeded = count(counts, "succeeded")?;
            printed.failed = count(counts, "failed")?;
            has_requests = true;
        } else if let Some(counts) = line.strip_prefix("status codes: ") {
            printed.bad_status = count(counts, "4xx")? + count(counts, "5xx")?;
        } else if let Some(rest) = line.strip_prefix("traffic: ") {
            let (before, _) = rest.rsplit_once(") data")?;
            printed.data = before.rsplit_once('(')?.1.parse().ok()?;
        } else if let Some(protocol) = line.strip_prefix("Application protocol: ") {
            printed.protocol = Some(protocol.into());
        }
    }
    has_requests.then_some(printed)
}

/// The number before a name in `12 done, 10 succeeded, 2 failed`.
fn count(counts: &str, name: &str) -> Option<u64> {
    let parts = counts.split(", ").filter_map(|part| part.split_once(' '));
    parts.into_iter().find(|(_, found)| *found == name)?.0.parse().ok()
}

/// The 50th and the 99th percentile in milliseconds, from a log of lines `start, status, microseconds` separated by
/// tabs. A failed stream has the status -1.
fn percentiles(log: &str) -> [f64; 2] {
    let times = log.lines().filter_map(|line| {
        let (rest, time) = line.rsplit_once('\t')?;
        if rest.ends_with("\t-1") { None } else { time.parse().ok() }
    });
    load::percentiles(times.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
starting benchmark...
spawning thread #0: 16 total client(s). Timing-based test with 0s of warm-up time and 3s of main duration for measurements.
TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
Application protocol: h2
Stopped all clients for thread #0

finished in 3.01s, 89287.33 req/s, 89.49MB/s
requests: 267862 total, 268374 started, 267862 done, 267850 succeeded, 12 failed, 5 errored, 0 timeout
status codes: 267850 2xx, 0 3xx, 3 4xx, 4 5xx
traffic: 268.48MB (281525730) total, 2.30MB (2412358) headers (space savings 89.15%), 261.58MB (274290688) data
                     min         max         mean         sd        +/- sd
time for request:       52us    103.82ms      5.41ms      4.61ms    97.34%
req/s           :    5391.02     5806.33     5579.29      112.33    68.75%
";

    #[test]
    fn what_h2load_prints_is_read() {
        let printed = parse(OUTPUT).unwrap();
        assert_eq!(printed.requests_per_second, 89_287.33);
        assert_eq!((printed.done, printed.succeeded), (267_862, 267_850));
        assert_eq!((printed.failed, printed.bad_status), (12, 7));
        assert_eq!(printed.data, 274_290_688);
        assert_eq!(printed.protocol.as_deref(), Some("h2"));
    }

    #[test]
    fn other_text_is_not_taken_for_a_result() {
        assert_eq!(parse("starting benchmark...\n"), None);
        assert_eq!(parse("requests: many\n"), None);
    }

    #[test]
    fn latencies_are_those_of_the_streams_that_succeeded() {
        let log: String = (1..=100).map(|time| format!("1700\t200\t{time}000\n")).collect();
        assert_eq!(percentiles(&format!("{log}1700\t-1\t9000000\n")), [50.0, 99.0]);
        assert_eq!(percentiles(""), [0.0, 0.0]);
    }
}
