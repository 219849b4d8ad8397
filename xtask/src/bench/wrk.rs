//! Runs `wrk`, the load generator for HTTP/1.1, and parses its output.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::host;
use super::load::Seen;
use super::workloads::{Load, Workload};
use crate::workspace;

/// Drives a server for some seconds from one thread on these cores.
pub(super) fn run(
    workload: &Workload,
    connections: u32,
    seconds: u32,
    port: u16,
    cores: &[usize],
) -> Result<Seen> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", "--timeout", "10s"]);
    wrk.arg(format!("-c{connections}")).arg(format!("-d{seconds}s"));
    let lua = workspace::root().join("bench/lua");
    let url = workload.url(port);
    match workload.load {
        Load::Get => wrk.arg(url),
        Load::Streams(_) | Load::Echo { .. } | Load::Broadcast { .. } => {
            bail!("wrk speaks neither HTTP/2 nor WebSocket")
        }
        Load::Connect => wrk.args(["-H", "Connection: close"]).arg(url),
        Load::Pipeline(depth) => {
            wrk.arg("-s").arg(lua.join("pipeline.lua")).args([&url, "--", &depth.to_string()])
        }
        Load::Post(length) => wrk.arg("-s").arg(lua.join("post.lua")).args([&url, "--", &length.to_string()]),
    };
    wrk.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = host::spawn_on(cores, &mut wrk).context("cannot run wrk")?.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    parse(&text).with_context(|| format!("cannot read what wrk printed: {text}"))
}

fn parse(text: &str) -> Option<Seen> {
    let mut seen = Seen::default();
    let mut has_requests = false;
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["50%", time] => seen.p50_ms = milliseconds(time)?,
            ["99%", time] => seen.p99_ms = milliseconds(time)?,
            [requests, "requests", "in", ..] => {
                seen.requests = requests.parse().ok()?;
                has_requests = true;
            }
            ["Requests/sec:", rate] => seen.requests_per_second = rate.parse().ok()?,
            ["Non-2xx", "or", "3xx", "responses:", count] => seen.bad_responses = count.parse().ok()?,
            ["Socket", "errors:", rest @ ..] => {
                let counts = rest.iter().filter_map(|word| word.trim_end_matches(',').parse::<u64>().ok());
                seen.socket_errors = counts.sum();
            }
            _ => {}
        }
    }
    has_requests.then_some(seen)
}

/// Reads `459.00us`, `1.20ms`, `2.00s` or `1.00m`.
fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    let factor = match &text[unit..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
Running 4s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   466.66us  127.95us   3.05ms   91.44%
    Req/Sec   137.24k     4.64k  143.42k    82.50%
  Latency Distribution
     50%  459.00us
     75%  491.00us
     90%  540.00us
     99%    1.20ms
  545812 requests in 4.00s, 604.85MB read
  Socket errors: connect 0, read 3, write 0, timeout 2
  Non-2xx or 3xx responses: 12
Requests/sec: 136442.01
Transfer/sec:    151.20MB
";

    #[test]
    fn what_wrk_prints_is_read() {
        let seen = parse(OUTPUT).unwrap();
        assert_eq!(seen.requests, 545_812);
        assert_eq!(seen.requests_per_second, 136_442.01);
        assert_eq!((seen.p50_ms, seen.p99_ms), (0.459, 1.2));
        assert_eq!((seen.bad_responses, seen.socket_errors), (12, 5));
    }

    #[test]
    fn other_text_is_not_taken_for_a_result() {
        assert_eq!(parse("unable to connect to 127.0.0.1:8000 Connection refused\n"), None);
    }

    #[test]
    fn times_have_their_units() {
        assert_eq!(milliseconds("2.50s"), Some(2500.0));
        assert_eq!(milliseconds("1.00m"), Some(60_000.0));
        assert_eq!(milliseconds("12"), None);
    }
}
