//! The load of a workload: the programs that generate it, their reports, and the check before a measurement.

use anyhow::{Result, bail};
use serde::Serialize;

use super::http::Client;
use super::workloads::{Load, Workload};
use super::{h2load, s_time, websocket, wrk};

/// The results of one run of a load generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Seen {
    /// Requests answered; with WebSocket, messages that reached a client.
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Responses that were neither 2xx nor 3xx; with WebSocket, messages that differ from the sent one.
    pub(super) bad_responses: u64,
    /// Failed connections, reads and writes, and requests that took too long.
    pub(super) socket_errors: u64,
}

/// The generator of a workload's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generator {
    /// `wrk`: HTTP/1.1.
    Wrk,
    /// `h2load`: HTTP/2.
    H2load,
    /// `openssl s_time`: TLS handshakes.
    STime,
    /// This program: WebSocket.
    Own,
}

impl Generator {
    /// The generator of a workload.
    pub(super) fn of(workload: &Workload) -> Generator {
        match workload.load {
            Load::Streams(_) => Generator::H2load,
            Load::Echo { .. } | Load::Broadcast { .. } => Generator::Own,
            Load::Connect if workload.is_tls => Generator::STime,
            Load::Get | Load::Connect | Load::Pipeline(_) | Load::Post(_) => Generator::Wrk,
        }
    }

    /// Whether it reports the times of single requests.
    pub(super) fn has_latencies(self) -> bool {
        self != Generator::STime
    }
}

/// The programs that a workload needs.
pub(super) fn programs(workload: &Workload) -> Vec<&'static str> {
    let mut programs = match Generator::of(workload) {
        Generator::Wrk => vec!["wrk"],
        Generator::H2load => vec!["h2load"],
        Generator::STime | Generator::Own => Vec::new(),
    };
    if workload.is_tls {
        // `openssl` makes the certificate and checks the answers.
        programs.push("openssl");
    }
    programs
}

/// Drives a server for some seconds from these cores.
pub(super) fn run(
    workload: &Workload,
    connections: u32,
    seconds: u32,
    port: u16,
    cores: &[usize],
) -> Result<Seen> {
    let run = match Generator::of(workload) {
        Generator::Wrk => wrk::run,
        Generator::H2load => h2load::run,
        Generator::STime => s_time::run,
        Generator::Own => websocket::run,
    };
    run(workload, connections, seconds, port, cores)
}

/// Whether a server answers at all, with any status: an application may have no `/`.
pub(super) fn is_up(workload: &Workload, port: u16) -> bool {
    // First try to connect: it is cheap, and avoids running programs in vain.
    if Client::connect(port).is_err() {
        return false;
    }
    if Generator::of(workload) == Generator::H2load {
        return h2load::ask(workload, port, 1).is_ok();
    }
    client(workload, port).and_then(|mut client| client.request("/", None)).is_ok()
}

/// Makes two requests on one connection, which also checks keep-alive.
pub(super) fn check(workload: &Workload, port: u16) -> Result<()> {
    match Generator::of(workload) {
        Generator::Own => return websocket::check(workload, port),
        Generator::H2load => return h2load::check(workload, port),
        Generator::Wrk | Generator::STime => {}
    }
    let mut client = client(workload, port)?;
    for _ in 0..2 {
        let response = client.request(workload.path, workload.body().as_deref())?;
        if let Some(fault) = workload.fault(&response) {
            bail!("a wrong answer: {fault}");
        }
    }
    Ok(())
}

fn client(workload: &Workload, port: u16) -> Result<Client> {
    if workload.is_tls { Client::connect_tls(port) } else { Client::connect(port) }
}

/// The 50th and the 99th percentile, in milliseconds, of times in microseconds; 0 if there are none.
pub(super) fn percentiles(times: Vec<u32>) -> [f64; 2] {
    quantiles(times, [500, 990])
}

/// Quantiles (given in thousandths), in milliseconds, of times in microseconds; 0 if there are none.
pub(super) fn quantiles<const N: usize>(mut times: Vec<u32>, thousandths: [usize; N]) -> [f64; N] {
    times.sort_unstable();
    thousandths.map(|thousandth| {
        let at = (times.len() * thousandth).div_ceil(1000).saturating_sub(1);
        times.get(at).map_or(0.0, |time| f64::from(*time) / 1000.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        assert_eq!(percentiles(vec![3000, 1000, 2000]), [2.0, 3.0]);
        assert_eq!(percentiles(vec![7]), [0.007, 0.007]);
        assert_eq!(quantiles((1..=2000).collect(), [999]), [1.998]);
    }
}
