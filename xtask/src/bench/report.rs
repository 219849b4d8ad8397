//! The files of a run in `target/bench`: JSON with everything, Markdown with the tables, SVG with the plots.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::host::Host;
use super::servers::Server;
use crate::workspace;

/// The results of one workload in one mode of the benchmark.
pub(super) trait Results: Serialize {
    /// Describes the measurement, in whole sentences.
    fn method(host: &Host, options: &Options) -> String;

    /// The tables with their headings.
    fn markdown(&self) -> String;

    /// Whether every build of Pounce, and the floor, has figures and no errors.
    fn is_complete(&self, servers: &[Server]) -> bool;

    /// Plots of all results, if the mode has any: the suffix of the file name, and the SVG.
    fn plots(_results: &[Self]) -> Vec<(&'static str, String)>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report<T> {
    /// When the run ended, in UTC.
    time: String,
    commit: String,
    rounds: u32,
    seconds: u32,
    host: Host,
    method: String,
    results: Vec<T>,
}

impl<T: Results> Report<T> {
    /// The report of a run that ends now.
    pub(super) fn new(host: Host, options: &Options, results: Vec<T>) -> Report<T> {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(workspace::root()).args(["describe", "--always", "--dirty"]);
        let commit = workspace::output(&mut git).map(|name| name.trim().to_string()).unwrap_or_default();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let (rounds, time) = (options.rounds, timestamp(seconds));
        let method = T::method(&host, options);
        Report { time, commit, rounds, seconds: options.seconds, host, method, results }
    }

    fn markdown(&self) -> String {
        let host = &self.host;
        let mut text = format!(
            "# Pounce beside other servers\n\n\
             {}, commit {}. {}, Linux {}, Python {}; load average before: {}. {}\n",
            self.time, self.commit, host.cpu, host.kernel, host.python, host.load_before, self.method,
        );
        for result in &self.results {
            text.push('\n');
            text.push_str(&result.markdown());
        }
        if !host.packages.is_empty() {
            text.push_str(&format!("\nPackages: {}\n", host.packages.join(" ")));
        }
        text
    }
}

/// Writes the files and prints their paths.
pub(super) fn write<T: Results>(report: &Report<T>, name: Option<&str>) -> Result<()> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    let name = name.unwrap_or(&report.time);
    let mut files = vec![(".json", serde_json::to_string_pretty(report)? + "\n"), (".md", report.markdown())];
    files.extend(T::plots(&report.results));
    let mut written = Vec::new();
    for (ending, text) in files {
        let path = folder.join(format!("{name}{ending}"));
        fs::write(&path, text)?;
        written.push(path.display().to_string());
    }
    println!("written: {}", written.join(", "));
    Ok(())
}

/// `20260131-235959` in UTC.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // In years from March to February, the leap day is the last day; 719 468 days lie between 0000-03-01 and 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_a_date() {
        assert_eq!(timestamp(0), "19700101-000000");
        assert_eq!(timestamp(951_782_399), "20000228-235959");
        assert_eq!(timestamp(951_782_400), "20000229-000000");
        assert_eq!(timestamp(1_798_761_599), "20261231-235959");
    }
}
