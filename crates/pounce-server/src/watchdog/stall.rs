//! Where the application blocks its event loop, for the log.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// The most places that are counted apart.
const MAX_PLACES: usize = 1000;

/// The places where a loop was blocked, and how often.
#[derive(Default)]
pub(super) struct Stalls {
    places: HashMap<String, u64>,
}

impl Stalls {
    /// Logs a stall at a place. Of many at one place only the first, the tenth, the hundredth and so on are logged.
    pub(super) fn log(&mut self, worker: &str, place: &str, serving: Option<&str>, lasted: Duration) {
        if self.places.len() >= MAX_PLACES {
            self.places.clear();
        }
        let count = self.places.entry(place.to_owned()).or_default();
        *count += 1;
        if !is_power_of_ten(*count) {
            return;
        }
        let millis = lasted.as_millis();
        let serving = serving.map(|request| format!(" while it served {request}")).unwrap_or_default();
        let times = if *count == 1 { String::new() } else { format!("; {count} times so far") };
        tracing::warn!(
            target: "pounce",
            "the event loop of {worker} was blocked for at least {millis} ms in {place}{serving}{times}"
        );
    }
}

fn is_power_of_ten(number: u64) -> bool {
    10_u64.checked_pow(number.ilog10()) == Some(number)
}

/// The place that a stack, innermost call first, is in: the innermost of the application's own frames, and what that called.
pub(super) fn place(stack: &str) -> String {
    let frames: Vec<Frame<'_>> = stack.lines().filter_map(Frame::parse).collect();
    let Some(innermost) = frames.first() else { return "no Python code".to_owned() };
    match frames.iter().find(|frame| frame.is_own()) {
        None => innermost.to_string(),
        Some(own) if std::ptr::eq(own, innermost) => own.to_string(),
        Some(own) => format!("{own}, which called {innermost}"),
    }
}

/// A line of a stack: `File "/srv/app.py", line 42 in report`.
struct Frame<'a> {
    file: &'a str,
    line: &'a str,
    function: &'a str,
}

impl<'a> Frame<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (file, rest) = line.trim().strip_prefix("File \"")?.split_once("\", line ")?;
        let (line, function) = rest.split_once(" in ")?;
        Some(Self { file, line, function })
    }

    /// Whether it belongs neither to an installed package, nor to Python or the server.
    fn is_own(&self) -> bool {
        let foreign = ["/site-packages/", "/dist-packages/", "/lib/python3"];
        !self.file.starts_with('<') && !foreign.iter().any(|part| self.file.contains(part))
    }
}

impl std::fmt::Display for Frame<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let directory = std::env::current_dir().unwrap_or_default();
        let file = Path::new(self.file);
        let file = file.strip_prefix(directory).unwrap_or(file).display();
        write!(out, "{file}:{} {}()", self.line, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_applications_and_what_it_called() {
        let own = "  File \"/srv/app.py\", line 42 in report\n  File \"<pounce>\", line 3 in run";
        assert_eq!(place(own), "/srv/app.py:42 report()");
        let library =
            format!("  File \"/v/lib/python3.13/site-packages/requests/api.py\", line 9 in get\n{own}");
        let called =
            "/srv/app.py:42 report(), which called /v/lib/python3.13/site-packages/requests/api.py:9 get()";
        assert_eq!(place(&library), called);
        assert_eq!(
            place("  File \"/usr/lib/python3.13/json/decoder.py\", line 1 in decode"),
            "/usr/lib/python3.13/json/decoder.py:1 decode()"
        );
        assert_eq!(place(""), "no Python code");
    }

    #[test]
    fn repeated_stalls_are_logged_at_powers_of_ten() {
        let logged: Vec<u64> = (1..=1000).filter(|count| is_power_of_ten(*count)).collect();
        assert_eq!(logged, [1, 10, 100, 1000]);
    }
}
