//! Reads and judges the test suite's report, and prints it as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::tally::Tally;

/// The name the server has in the report.
pub(super) const AGENT: &str = "server";

/// The result of a case, from best to worst. A case has two verdicts: on its subject, and on how the connection was
/// closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    Informational,
    NonStrict,
    Unimplemented,
    Failed,
}

impl Verdict {
    const ALL: [Verdict; 5] =
        [Verdict::Ok, Verdict::NonStrict, Verdict::Informational, Verdict::Unimplemented, Verdict::Failed];

    /// An unknown word counts as a failure.
    fn of(word: &str) -> Verdict {
        match word {
            "OK" => Verdict::Ok,
            "INFORMATIONAL" => Verdict::Informational,
            "NON-STRICT" => Verdict::NonStrict,
            "UNIMPLEMENTED" => Verdict::Unimplemented,
            _ => Verdict::Failed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::NonStrict => "NON-STRICT",
            Verdict::Informational => "INFORMATIONAL",
            Verdict::Unimplemented => "UNIMPLEMENTED",
            Verdict::Failed => "FAILED",
        }
    }
}

/// One case of `index.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    behavior: String,
    behavior_close: String,
    remote_close_code: Option<u16>,
}

impl Case {
    fn verdict(&self) -> Verdict {
        Verdict::of(&self.behavior).max(Verdict::of(&self.behavior_close))
    }
}

/// The cases by their numbers, so that 1.10 comes after 1.9.
#[derive(Debug)]
pub(super) struct Report(BTreeMap<Vec<u32>, Case>);

impl Report {
    /// Reads `index.json`.
    pub(super) fn read(path: &Path) -> Result<Report> {
        let text =
            fs::read_to_string(path).with_context(|| format!("there is no report at {}", path.display()))?;
        Report::parse(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    fn parse(text: &str) -> Result<Report> {
        let mut agents: BTreeMap<String, BTreeMap<String, Case>> = serde_json::from_str(text)?;
        let cases = agents.remove(AGENT).context("the server has no results in it")?;
        let cases = cases.into_iter().map(|(id, case)| {
            let numbers: Result<Vec<u32>, _> = id.split('.').map(str::parse).collect();
            Ok((numbers.with_context(|| format!("case {id:?}"))?, case))
        });
        cases.collect::<Result<_>>().map(Report)
    }

    /// The number of cases.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A line for each section, and one for each case that is neither OK nor INFORMATIONAL.
    pub(super) fn table(&self) -> String {
        let mut sections: BTreeMap<u32, [u32; Verdict::ALL.len()]> = BTreeMap::new();
        let mut total = [0; Verdict::ALL.len()];
        for (id, case) in &self.0 {
            let section = sections.entry(id[0]).or_default();
            for (place, verdict) in Verdict::ALL.iter().enumerate() {
                let counts = u32::from(case.verdict() == *verdict);
                section[place] += counts;
                total[place] += counts;
            }
        }
        let mut table = String::new();
        let names = Verdict::ALL.map(|verdict| format!("{:>14}", verdict.name())).concat();
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:<34}{:>6}{names}", "section", "cases");
        let named =
            sections.iter().map(|(section, counts)| (format!("{section} {}", title(*section)), counts));
        for (name, counts) in named.chain([("all".to_owned(), &total)]) {
            let cells = counts.map(|count| format!("{count:>14}")).concat();
            let _ = writeln!(table, "{name:<34}{:>6}{cells}", counts.iter().sum::<u32>());
        }
        for (id, case) in &self.0 {
            if case.verdict() > Verdict::Informational {
                let id = id.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
                let code = case.remote_close_code.map_or("none".to_owned(), |code| code.to_string());
                let Case { behavior, behavior_close, .. } = case;
                let _ = writeln!(table, "{id}: {behavior}, close {behavior_close} (server's code: {code})");
            }
        }
        table
    }

    /// FAILED and UNIMPLEMENTED count as failures.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for case in self.0.values() {
            tally += Tally::of(case.verdict() < Verdict::Unimplemented);
        }
        tally
    }
}

/// The test suite's own names.
fn title(section: u32) -> &'static str {
    match section {
        1 => "framing",
        2 => "pings and pongs",
        3 => "reserved bits",
        4 => "opcodes",
        5 => "fragmentation",
        6 => "UTF-8",
        7 => "closing",
        9 => "limits and performance",
        10 => "fragments chopped by TCP",
        12 => "compression, payloads",
        13 => "compression, parameters",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"{"server": {
        "1.10": {"behavior": "OK", "behaviorClose": "OK", "duration": 2, "remoteCloseCode": 1000, "reportfile": "x"},
        "1.9": {"behavior": "NON-STRICT", "behaviorClose": "OK", "remoteCloseCode": 1007},
        "7.1.1": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL", "remoteCloseCode": null},
        "7.1.2": {"behavior": "OK", "behaviorClose": "WRONG CODE", "remoteCloseCode": 1002},
        "12.1.1": {"behavior": "UNIMPLEMENTED", "behaviorClose": "OK", "remoteCloseCode": null}
    }}"#;

    #[test]
    fn the_worse_of_two_verdicts_counts() {
        let report = Report::parse(INDEX).unwrap();
        assert_eq!(report.tally(), Tally { passed: 3, failed: 2, skipped: 0 });
    }

    #[test]
    fn only_cases_that_are_not_ok_are_named() {
        let table = Report::parse(INDEX).unwrap().table();
        let named: Vec<&str> = table.lines().filter(|line| line.contains("close")).collect();
        assert_eq!(
            named,
            [
                "1.9: NON-STRICT, close OK (server's code: 1007)",
                "7.1.2: OK, close WRONG CODE (server's code: 1002)",
                "12.1.1: UNIMPLEMENTED, close OK (server's code: none)",
            ]
        );
        assert!(table.contains("7 closing"), "{table}");
    }

    #[test]
    fn a_report_without_the_server_is_an_error() {
        assert!(Report::parse("{}").is_err());
    }
}
