//! One workload's results as a Markdown table that also reads well in a terminal.

use super::measure::{Measured, Row};

/// A cell without a figure.
pub(super) const NONE: &str = "–";

/// The head of the table; `{unit}` is `req` or `msg`.
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

/// The table with its heading.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut grid: Vec<Vec<String>> = vec![head(measured.unit)];
    grid.extend(measured.rows.iter().map(|row| cells(row, measured)));
    let mut text =
        format!("### {}\n\n{}, {} connections\n\n", measured.workload, measured.about, measured.connections);
    text.push_str(&aligned(&grid));
    text.push_str(&without_a_server(&measured.rows));
    for row in &measured.rows {
        text.push_str(&note(&row.server, row.note.as_deref()));
    }
    text
}

/// The cost of the application alone: once, and again for each row with another Python.
fn without_a_server(rows: &[Row]) -> String {
    let mut known = rows.iter().filter_map(|row| Some((row.server.as_str(), row.in_process_us?)));
    let Some((_, first)) = known.next() else { return String::new() };
    let mut text = format!("\nWithout a server, the application takes {} µs", digits(first));
    for (server, microseconds) in known.filter(|(_, microseconds)| *microseconds != first) {
        text.push_str(&format!(", on the Python of {server} {} µs", digits(microseconds)));
    }
    text + "; own is what a server adds.\n"
}

/// The note below a table about one of its servers.
pub(super) fn note(server: &str, note: Option<&str>) -> String {
    note.map_or_else(String::new, |note| format!("\n{server}: {note}\n"))
}

/// Rows of cells under a head, the first column aligned to the left, the others to the right. Omits empty columns.
pub(super) fn aligned(grid: &[Vec<String>]) -> String {
    let columns = grid.first().map_or(0, Vec::len);
    let kept: Vec<usize> = (0..columns)
        .filter(|column| *column == 0 || grid[1..].iter().any(|row| row[*column] != NONE))
        .collect();
    let width =
        |column: &usize| grid.iter().map(|row| row[*column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = kept.iter().map(width).collect();
    let mut text = String::new();
    for (number, row) in grid.iter().enumerate() {
        line(&mut text, &widths, kept.iter().map(|column| row[*column].as_str()));
        if number == 0 {
            let rule: Vec<String> = (0..kept.len())
                .map(|at| "-".repeat(widths[at] - usize::from(at > 0)) + if at > 0 { ":" } else { "" })
                .collect();
            line(&mut text, &widths, rule.iter().map(String::as_str));
        }
    }
    text
}

fn head(unit: &str) -> Vec<String> {
    HEAD.iter().map(|name| name.replace("{unit}", unit)).collect()
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    for (at, (cell, width)) in cells.zip(widths).enumerate() {
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
        let (before, after) = if at == 0 { ("", blanks.as_str()) } else { (blanks.as_str(), "") };
        text.push_str(&format!("| {before}{cell}{after} "));
    }
    text.push_str("|\n");
}

fn cells(row: &Row, measured: &Measured) -> Vec<String> {
    let none = || NONE.to_string();
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
        row.in_process_us.map_or_else(none, |in_process| digits(row.cpu_us - in_process)),
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

/// Formats small figures with two decimals, large ones with none.
pub(super) fn digits(value: f64) -> String {
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
            rows: vec![row],
        };
        let text = markdown(&measured);
        assert!(text.starts_with("### get-1k\n\nGET, 64 connections\n\n| server"));
        assert!(text.ends_with("\nuvicorn: it ended at once\n"));
    }

    #[test]
    fn own_is_what_a_server_adds_on_its_own_python() {
        let row =
            |server: &str, in_process_us| Row { server: server.into(), in_process_us, ..Row::default() };
        let rows = [row("floor", None), row("a", Some(54.0)), row("b", Some(54.0)), row("c", Some(50.0))];
        let text = "\nWithout a server, the application takes 54.0 µs, on the Python of c 50.0 µs; own is what a \
                    server adds.\n";
        assert_eq!(without_a_server(&rows), text);
        assert_eq!(without_a_server(&rows[..1]), "");
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
