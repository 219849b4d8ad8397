//! Runs `openssl s_time`: a full TLS handshake and one GET on each connection.
//!
//! `wrk` and `h2load` resume the session of an earlier connection, so they would measure resumption. `s_time -new`
//! never resumes. It has one connection at a time, so each connection of the workload gets its own process.
//!
//! OpenSSL takes longer for the client's half of the handshake than many servers for theirs, so the client limits the
//! rate: only the CPU time is meaningful.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::host;
use super::load::Seen;
use super::workloads::{Answer, Workload};

/// How many seconds it may take beyond the intended time before it is ended.
const TOO_LONG: u32 = 10;

/// Drives a server for some seconds from one process for each connection, all on these cores.
pub(super) fn run(
    workload: &Workload,
    connections: u32,
    seconds: u32,
    port: u16,
    cores: &[usize],
) -> Result<Seen> {
    // s_time sends `GET path HTTP/1.0` without fields, which not every server accepts. This path turns that into an
    // HTTP/1.1 request, in which the ` HTTP/1.0` that s_time appends is the value of a field.
    let path = format!("{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Rest:", workload.path);
    let began = Instant::now();
    let mut children = Vec::new();
    for _ in 0..connections {
        // s_time checks the time only between connections: a server that hangs would hold it forever.
        let mut s_time = Command::new("timeout");
        s_time.arg((seconds + TOO_LONG).to_string());
        s_time.args(["openssl", "s_time", "-new", "-connect", &format!("127.0.0.1:{port}"), "-www", &path]);
        s_time.args(["-time", &seconds.to_string()]);
        s_time.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        children.push(host::spawn_on(cores, &mut s_time).context("cannot run openssl s_time")?);
    }
    let shortest = if let Answer::Length(length) = workload.answer { length as u64 } else { 0 };
    let mut seen = Seen::default();
    for child in children {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(printed) = parse(&text) else {
            ensure!(!output.status.success(), "cannot read what openssl s_time printed: {text}");
            seen.socket_errors += 1;
            continue;
        };
        seen.requests += printed.connections;
        // Only the total of received bytes is known: it is too small if answers were too short.
        if printed.bytes < printed.connections * shortest {
            seen.bad_responses += 1;
        }
    }
    seen.requests_per_second = seen.requests as f64 / began.elapsed().as_secs_f64();
    Ok(seen)
}

/// The output of one process.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    connections: u64,
    bytes: u64,
}

/// Reads `1046 connections in 0.59s; 1772.88 connections/user sec, bytes read 1217544`.
fn parse(text: &str) -> Option<Printed> {
    let line = text.lines().find(|line| line.contains(" connections in ") && line.contains("bytes read"))?;
    let connections = line.split(' ').next()?.parse().ok()?;
    let bytes = line.rsplit(' ').next()?.parse().ok()?;
    Some(Printed { connections, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s_time_prints_is_read() {
        let text = "Collecting connection statistics for 3 seconds\n***\n\n\
            1046 connections in 0.59s; 1772.88 connections/user sec, bytes read 1217544\n\
            1046 connections in 4 real seconds, 1164 bytes read per connection\n";
        assert_eq!(parse(text), Some(Printed { connections: 1046, bytes: 1_217_544 }));
    }

    #[test]
    fn a_failure_is_no_result() {
        assert_eq!(parse("Collecting connection statistics for 3 seconds\nERROR\n"), None);
    }
}
