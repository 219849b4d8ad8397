//! Values in the form that people read.

/// `1.2 s`, `35 ms`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0 if seconds < 0.001 && seconds > 0.0 => format!("{:.0} µs", seconds * 1e6),
        0 if seconds < 0.01 && seconds > 0.0 => format!("{:.1} ms", seconds * 1e3),
        0 => format!("{:.0} ms", seconds * 1e3),
        1..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// `35.2 MiB`.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0 => "-".to_owned(),
        1..0x4000_0000 => format!("{:.1} MiB", count as f64 / f64::from(1 << 20)),
        _ => format!("{:.2} GiB", count as f64 / f64::from(1 << 30)),
    }
}

/// Rows as a table with a head; columns are as wide as their widest cell, numbers at the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([head[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let is_number = |at: usize| {
        !rows.is_empty()
            && rows.iter().all(|row| row[at].starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let numbers: Vec<bool> = (0..head.len()).map(is_number).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().enumerate().map(|(at, cell)| match numbers[at] {
            true => format!("{cell:>width$}", width = widths[at]),
            false => format!("{cell:<width$}", width = widths[at]),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(head)).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_people_would_use() {
        let shown: Vec<_> =
            [0.0, 0.000_25, 0.0042, 0.35, 1.25, 75.0, 7_500.0, 180_000.0].into_iter().map(duration).collect();
        assert_eq!(
            shown,
            ["0 ms", "250 µs", "4.2 ms", "350 ms", "1.2 s", "1 min 15 s", "2 h 5 min", "2 d 2 h"]
        );
        assert_eq!(bytes(0), "-");
        assert_eq!(bytes(36 << 20), "36.0 MiB");
        assert_eq!(bytes(3 << 30), "3.00 GiB");
    }

    #[test]
    fn columns_are_aligned_numbers_at_the_right() {
        let rows = [vec!["0".to_owned(), "serving".to_owned()], vec!["12".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["SLOT", "PHASE"], &rows), ["SLOT  PHASE", "   0  serving", "  12  x"]);
    }
}
