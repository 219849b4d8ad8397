//! The load of a workload: which program makes it, what each of them reports, and the check that comes before it.

use anyhow::{Result, bail};
use serde::Serialize;

use super::http::Client;
use super::workloads::{Load, Workload};
use super::{h2load, s_time, websocket, wrk};

/// What one run of a load generator saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Seen {
    /// Requests answered; with WebSocket, messages that reached a client.
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Responses that were neither 2xx nor 3xx; with WebSocket, messages that were not what was sent.
    pub(super) bad_responses: u64,
    /// Connections that failed, reads and writes that failed, and requests that took too long.
    pub(super) socket_errors: u64,
}

/// What makes the load of a workload.
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

    /// Whether it says how long requests took, one by one.
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
        // Makes the certificate and checks the answers.
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

/// Whether a server answers at all. A raw application may have no `/`: any answer will do.
pub(super) fn is_up(workload: &Workload, port: u16) -> bool {
    // Cheap to ask, and no program has to be run in vain.
    if Client::connect(port).is_err() {
        return false;
    }
    if Generator::of(workload) == Generator::H2load {
        return h2load::ask(workload, port, 1).is_ok();
    }
    client(workload, port).and_then(|mut client| client.request("/", None)).is_ok()
}

/// Asks twice on one connection, so that keep-alive is part of what is checked.
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

/// The 50th and the 99th percentile of times in microseconds, in milliseconds; 0 of none.
pub(super) fn percentiles(times: Vec<u32>) -> [f64; 2] {
    quantiles(times, [500, 990])
}

/// Quantiles, in thousandths, of times in microseconds, in milliseconds; 0 of none.
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
