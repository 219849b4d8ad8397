//! The table of `--memory`: a row for each server, medians over the rounds.

use super::super::table::{NONE, aligned, note};
use super::{Measured, REQUESTS, Row, WORKERS};

/// The table with its heading.
pub(super) fn markdown(measured: &Measured) -> String {
    let mut text = format!(
        "### {}: memory\n\n{}. Proportional set size of all processes in MiB, after start → after {REQUESTS} requests.\n\n",
        measured.workload, measured.about
    );
    let mut grid = vec![head()];
    grid.extend(measured.rows.iter().map(cells));
    text.push_str(&aligned(&grid));
    for row in &measured.rows {
        text.push_str(&note(&row.server, row.note.as_deref()));
    }
    text
}

fn head() -> Vec<String> {
    let mut head = vec!["server".to_owned()];
    head.extend(WORKERS.map(|workers| format!("{workers} worker{}", if workers == 1 { "" } else { "s" })));
    head.extend(["each more", "processes"].map(String::from));
    head
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.server.clone()];
    if !row.has_figures() {
        cells.resize(head().len(), NONE.into());
        return cells;
    }
    let served = |number| row.median(number, |sizes| sizes.served);
    cells.extend(
        (0..WORKERS.len()).map(|number| {
            format!("{:.1} → {:.1}", row.median(number, |sizes| sizes.started), served(number))
        }),
    );
    // Not relative to one worker: some servers then have no supervisor.
    let (fewer, all) = (WORKERS.len() - 2, WORKERS.len() - 1);
    let more = f64::from(WORKERS[all] - WORKERS[fewer]);
    cells.push(format!("{:.1}", (served(all) - served(fewer)) / more));
    let processes = |number| format!("{:.0}", row.median(number, |sizes| sizes.processes as f64));
    cells.push((0..WORKERS.len()).map(processes).collect::<Vec<_>>().join(", "));
    cells
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;

    fn row(sizes: [Vec<Sizes>; 3]) -> Row {
        Row { server: "uvicorn".into(), sizes, note: None }
    }

    #[test]
    fn a_row_has_both_sizes_and_what_one_more_worker_takes() {
        let size = |started, processes| vec![Sizes { started, served: started + 1.0, processes }];
        let cells = cells(&row([size(50.0, 1), size(90.0, 4), size(170.0, 6)]));
        let wanted = ["uvicorn", "50.0 → 51.0", "90.0 → 91.0", "170.0 → 171.0", "40.0", "1, 4, 6"];
        assert_eq!(cells, wanted);
        assert_eq!(cells.len(), head().len());
    }

    #[test]
    fn a_server_that_failed_has_no_figures() {
        let cells = cells(&row([const { Vec::new() }; 3]));
        assert_eq!(cells, ["uvicorn", "–", "–", "–", "–", "–"]);
    }
}
