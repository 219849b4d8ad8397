//! One workload's results as a Markdown table that also reads well in a terminal.

use super::measure::{Measured, Row};

/// `{unit}` is `req` or `msg`.
const HEAD: [&str; 13] = [
    "server",
    "CPU µs/{unit}",
    "user",
    "sys",
    "own",
    "{unit}/s",
    "p50 ms",
    "p99 ms",
    "PSS MiB",
    "syscalls",
    "× best peer",
    "× floor",
    "errors",
];

/// The table under its heading.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut grid: Vec<Vec<String>> = vec![head(measured.unit)];
    grid.extend(measured.rows.iter().map(|row| cells(row, measured)));
    // Columns with nothing in any row are left out.
    let kept: Vec<usize> = (0..HEAD.len())
        .filter(|column| *column == 0 || grid[1..].iter().any(|row| row[*column] != "–"))
        .collect();
    let widths: Vec<usize> = kept
        .iter()
        .map(|column| grid.iter().map(|row| row[*column].chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let mut text =
        format!("### {}\n\n{}, {} connections\n\n", measured.workload, measured.about, measured.connections);
    for (number, row) in grid.iter().enumerate() {
        line(&mut text, &kept, &widths, |column| &row[column]);
        if number == 0 {
            let rule: Vec<String> = (0..HEAD.len())
                .map(|column| kept.iter().position(|one| *one == column).map_or(0, |at| widths[at]))
                .enumerate()
                .map(
                    |(column, width)| {
                        if column == 0 { "-".repeat(width) } else { "-".repeat(width.max(1) - 1) + ":" }
                    },
                )
                .collect();
            line(&mut text, &kept, &widths, |column| &rule[column]);
        }
    }
    if let Some(microseconds) = measured.in_process_us {
        text.push_str(&format!(
            "\nWithout a server, the application takes {} µs; own is what a server adds.\n",
            digits(microseconds)
        ));
    }
    for row in &measured.rows {
        if let Some(note) = &row.note {
            text.push_str(&format!("\n{}: {note}\n", row.server));
        }
    }
    text
}

fn head(unit: &str) -> Vec<String> {
    HEAD.iter().map(|name| name.replace("{unit}", unit)).collect()
}

fn line<'a>(text: &mut String, kept: &[usize], widths: &[usize], cell: impl Fn(usize) -> &'a String) {
    for (column, width) in kept.iter().zip(widths) {
        let cell = cell(*column);
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
        let (before, after) = if *column == 0 { ("", blanks.as_str()) } else { (blanks.as_str(), "") };
        text.push_str(&format!("| {before}{cell}{after} "));
    }
    text.push_str("|\n");
}

fn cells(row: &Row, measured: &Measured) -> Vec<String> {
    let none = || "–".to_string();
    let ratio = |ratio: Option<f64>| ratio.map_or_else(none, |ratio| format!("{ratio:.2}"));
    let latency = |ms: f64| if measured.has_latencies { format!("{ms:.2}") } else { none() };
    if !row.has_figures() {
        let mut cells = vec![none(); HEAD.len()];
        cells[0].clone_from(&row.server);
        return cells;
    }
    vec![
        row.server.clone(),
        digits(row.cpu_us),
        digits(row.user_us),
        digits(row.system_us),
        measured.in_process_us.map_or_else(none, |in_process| digits(row.cpu_us - in_process)),
        format!("{:.0}", row.requests_per_second),
        latency(row.p50_ms),
        latency(row.p99_ms),
        format!("{:.1}", row.pss_mib),
        row.syscalls.map_or_else(none, |calls| format!("{calls:.2}")),
        ratio(row.to_best_peer),
        ratio(row.to_floor),
        if row.errors == 0 { none() } else { row.errors.to_string() },
    ]
}

/// Two digits after the point for small figures, none for large ones.
fn digits(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_figures_has_a_row_and_a_note() {
        let row = Row { server: "uvicorn".into(), note: Some("it ended at once".into()), ..Row::default() };
        let measured = Measured {
            workload: "get-1k",
            about: "GET",
            unit: "req",
            connections: 64,
            has_latencies: true,
            in_process_us: None,
            rows: vec![row],
        };
        let text = markdown(&measured);
        assert!(text.starts_with("### get-1k\n\nGET, 64 connections\n\n| server"));
        assert!(text.ends_with("\nuvicorn: it ended at once\n"));
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![
            Row { server: "a".into(), ..Row::default() },
            Row { server: "bcdef".into(), ..Row::default() },
        ];
        let text = markdown(&Measured {
            workload: "w",
            about: "a",
            unit: "msg",
            connections: 1,
            has_latencies: true,
            in_process_us: None,
            rows,
        });
        let widths: Vec<usize> =
            text.lines().filter(|line| line.starts_with('|')).map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn the_head_names_what_is_counted() {
        assert_eq!(head("msg")[1], "CPU µs/msg");
        assert_eq!(head("req")[5], "req/s");
    }
}
