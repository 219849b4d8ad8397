//! Bar plots as SVG: a panel per workload, a bar per server.

use std::fmt::Write as _;

use super::measure::{Measured, Row};

const WIDTH: f64 = 760.0;
const LABEL: f64 = 130.0;
const VALUE: f64 = 90.0;
const BAR: f64 = 18.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 34.0;

const OURS: &str = "#c2410c";
const OURS_LIGHT: &str = "#fdba74";
const OTHER: &str = "#475569";
const OTHER_LIGHT: &str = "#cbd5e1";

/// One bar: its parts from the left, dark and light, and the figure next to it.
struct Bar {
    label: String,
    dark: f64,
    light: f64,
    is_ours: bool,
    figure: String,
}

/// CPU time per request: user time dark, system time light; shorter is better.
pub(super) fn cpu(results: &[Measured]) -> String {
    let bar = |row: &Row| (row.user_us, row.system_us, format!("{:.1} µs", row.cpu_us));
    draw("CPU time per request or message: user (dark) and system (light), shorter is better", results, bar)
}

/// Requests per second on one core; longer is better.
pub(super) fn rate(results: &[Measured]) -> String {
    let bar = |row: &Row| (row.requests_per_second, 0.0, format!("{:.0}/s", row.requests_per_second));
    draw("Requests or messages per second on one core, longer is better", results, bar)
}

fn draw(title: &str, results: &[Measured], bar: impl Fn(&Row) -> (f64, f64, String)) -> String {
    let mut y = TITLE;
    let mut body = String::new();
    text(&mut body, 10.0, 22.0, "start", "font-weight='bold'", title);
    for result in results {
        let mut bars = Vec::new();
        for row in result.rows.iter().filter(|row| row.has_figures()) {
            let (dark, light, figure) = bar(row);
            let is_ours = row.server.starts_with("pounce");
            bars.push(Bar { label: row.server.clone(), dark, light, is_ours, figure });
        }
        y = panel(&mut body, y, &format!("{} ({} connections)", result.workload, result.connections), &bars);
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{y}' viewBox='0 0 {WIDTH} {y}' \
         font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n{body}</svg>\n"
    )
}

/// Draws one workload from `y` downwards and returns where it ends.
fn panel(body: &mut String, y: f64, title: &str, bars: &[Bar]) -> f64 {
    let longest = bars.iter().map(|bar| bar.dark + bar.light).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - VALUE) / longest;
    text(body, 10.0, y + 16.0, "start", "fill='#334155'", title);
    let mut y = y + 24.0;
    for bar in bars {
        let (dark, light) = if bar.is_ours { (OURS, OURS_LIGHT) } else { (OTHER, OTHER_LIGHT) };
        let (dark_width, light_width) = (bar.dark * scale, bar.light * scale);
        text(body, LABEL - 8.0, y + 13.0, "end", "", &bar.label);
        rectangle(body, LABEL, y, dark_width, dark);
        rectangle(body, LABEL + dark_width, y, light_width, light);
        text(body, LABEL + dark_width + light_width + 6.0, y + 13.0, "start", "", &bar.figure);
        y += BAR + GAP;
    }
    y + 10.0
}

fn rectangle(body: &mut String, x: f64, y: f64, width: f64, fill: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(body, "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{BAR}' fill='{fill}'/>");
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}' {more}>{escaped}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_without_figures_is_still_a_plot() {
        let rows = vec![Row { server: "a<b".into(), ..Row::default() }];
        let plot = cpu(&[Measured {
            workload: "w",
            about: "a",
            unit: "req",
            connections: 1,
            has_latencies: true,
            rows,
        }]);
        assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
    }

    #[test]
    fn labels_are_escaped() {
        let mut body = String::new();
        text(&mut body, 0.0, 0.0, "start", "", "a<b & c");
        assert!(body.contains("a&lt;b &amp; c"));
    }
}
