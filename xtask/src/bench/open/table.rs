//! The table of `--open`: a row for each server at each rate, medians over the rounds.

use super::super::measure::median;
use super::super::table::{NONE, aligned, digits, note};
use super::rates::{self, SHARES};
use super::{Measured, Round, Row};

const HEAD: [&str; 13] = [
    "server",
    "capacity/s",
    "rate",
    "asked/s",
    "achieved/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "CPU µs/req",
    "core",
    "generator late ms",
    "busy",
    "errors",
];

/// The table with its heading and notes.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut text = format!(
        "### {} at a fixed rate\n\n{}, {} connections. 100 % is the capacity of {}: {:.0} requests/s.\n\n",
        measured.workload, measured.about, measured.connections, measured.base_server, measured.base,
    );
    let mut grid = vec![HEAD.map(String::from).to_vec()];
    let mut notes = String::new();
    for (number, share) in SHARES.iter().enumerate() {
        for row in &measured.rows {
            grid.push(cells(row, *share, &row.rates[number]));
            notes.push_str(&note(&row.server, missed(*share, &row.rates[number]).as_deref()));
        }
    }
    text.push_str(&aligned(&grid));
    text.push_str(
        "\nTimes count from when a request was due. Core is the part of the time for which the server ran. Generator late \
         is by how much the generator itself missed when a request was due (99.9th percentile), busy the part of the \
         time in which it had something to do: times are no more exact than that.\n",
    );
    text.push_str(&notes);
    for row in &measured.rows {
        text.push_str(&note(&row.server, row.note.as_deref()));
    }
    text
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

fn of(rounds: &[Round], value: fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(value).collect())
}

fn cells(row: &Row, share: f64, rounds: &[Round]) -> Vec<String> {
    if rounds.is_empty() {
        let mut cells = vec![NONE.to_string(); HEAD.len()];
        cells[0].clone_from(&row.server);
        return cells;
    }
    vec![
        row.server.clone(),
        format!("{:.0}", row.capacity()),
        percent(share),
        format!("{:.0}", of(rounds, |round| round.asked_per_second)),
        format!("{:.0}", of(rounds, |round| round.seen.requests_per_second)),
        format!("{:.3}", of(rounds, |round| round.seen.p50_ms)),
        format!("{:.2}", of(rounds, |round| round.seen.p99_ms)),
        format!("{:.2}", of(rounds, |round| round.seen.p999_ms)),
        digits(of(rounds, |round| round.cpu_us)),
        percent(of(rounds, |round| round.core)),
        format!("{:.2}", of(rounds, |round| round.seen.late_ms)),
        percent(of(rounds, |round| round.seen.busy)),
        if row.errors == 0 { NONE.into() } else { row.errors.to_string() },
    ]
}

/// The note about a missed rate.
fn missed(share: f64, rounds: &[Round]) -> Option<String> {
    let asked = of(rounds, |round| round.asked_per_second);
    let achieved = of(rounds, |round| round.seen.requests_per_second);
    let miss =
        rates::miss(asked, achieved, of(rounds, |round| round.seen.busy), of(rounds, |round| round.core));
    miss.map(|miss| format!("at {}, {miss}", percent(share)))
}

#[cfg(test)]
mod tests {
    use super::super::generator::Seen;
    use super::*;

    fn round(achieved: f64) -> Round {
        let seen = Seen {
            due: 1,
            requests: 1,
            requests_per_second: achieved,
            p50_ms: 0.1,
            p99_ms: 1.0,
            p999_ms: 2.5,
            late_ms: 0.02,
            busy: 0.4,
            bad_responses: 0,
            socket_errors: 0,
        };
        Round { asked_per_second: 500.0, cpu_us: 12.34, core: 0.99, seen }
    }

    fn measured(rates: [Vec<Round>; 2], note: Option<String>) -> Measured {
        let row =
            Row { server: "uvicorn".into(), closed: vec![900.0, 1000.0, 1100.0], rates, errors: 0, note };
        Measured {
            workload: "get-1k",
            about: "GET",
            connections: 64,
            base: 1000.0,
            base_server: "uvicorn".into(),
            rows: vec![row],
        }
    }

    #[test]
    fn there_is_a_row_for_each_rate() {
        let text = markdown(&measured([vec![round(500.0)], vec![round(500.0)]], None));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| uvicorn")).collect();
        assert_eq!(rows.len(), 2, "{text}");
        let cells: Vec<&str> = rows[0].split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let wanted = [
            "uvicorn", "1000", "50 %", "500", "500", "0.100", "1.00", "2.50", "12.3", "99 %", "0.02", "40 %",
        ];
        assert_eq!(cells, wanted);
        assert!(!text.contains("\nuvicorn: "), "{text}");
    }

    #[test]
    fn a_rate_that_was_missed_and_a_server_that_failed_are_named() {
        let text = markdown(&measured([vec![round(400.0)], Vec::new()], Some("it ended".into())));
        assert!(text.contains("\nuvicorn: at 50 %, 400 of 500 requests/s; the server's core was full\n"));
        assert!(text.ends_with("\nuvicorn: it ended\n"), "{text}");
    }
}
