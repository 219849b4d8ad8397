//! `pounce top`: a running server, looked at again and again.
//!
//! On a terminal it fills the screen until q or Ctrl-C; elsewhere it prints a line each time.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::{cursor, event, execute, queue, terminal};
use pounce_server::{HistogramSum, Host};
use serde_json::Value;

use super::ctl::{count, number, requests, text, time, workers};
use super::{client, control_argument, control_path, fail, shape};

/// How the command is written.
pub(super) fn command(base: Command) -> Command {
    let seconds = |text: &str| match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected seconds from 0.1 to 3600"),
    };
    base.arg(control_argument())
        .arg(
            Arg::new("interval")
                .long("interval")
                .short('i')
                .value_name("SECONDS")
                .default_value("1")
                .value_parser(seconds)
                .help("How often to look"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .short('n')
                .value_name("N")
                .value_parser(clap::value_parser!(u64).range(1..))
                .help("How many times; by default without end"),
        )
}

/// Runs it.
pub(super) fn run(host: &dyn Host, matches: &ArgMatches) -> u8 {
    let interval = matches.get_one::<Duration>("interval").copied().unwrap_or(Duration::from_secs(1));
    let count = matches.get_one::<u64>("count").copied().unwrap_or(u64::MAX);
    let shown = control_path(host, matches).and_then(|socket| {
        if io::stdout().is_terminal() {
            let screen = Screen::open().map_err(|error| format!("cannot use the terminal: {error}"))?;
            let shown =
                watch(&socket, interval, count, |sample| screen.show(sample), |until| screen.wait(until));
            drop(screen);
            shown
        } else {
            let wait = |until: Instant| {
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
                true
            };
            watch(&socket, interval, count, print_line, wait)
        }
    });
    match shown {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

/// What the server did in one interval.
struct Sample {
    status: Value,
    workers: Value,
    requests: Value,
    /// Requests that ended, for each second.
    rate: f64,
    /// In seconds; `None` if no request ended.
    median: Option<f64>,
    percentile_99: Option<f64>,
}

/// Looks again and again, until `wait` says that it is enough.
fn watch(
    socket: &Path,
    interval: Duration,
    count: u64,
    mut show: impl FnMut(&Sample) -> io::Result<()>,
    wait: impl Fn(Instant) -> bool,
) -> Result<(), String> {
    let mut before: Option<(Value, Instant)> = None;
    for number in 0..=count {
        let now = Instant::now();
        let status = client::ask(socket, "GET", "/status")?;
        if let Some((before, then)) = &before {
            let sample = Sample {
                rate: requests_since(&status, before) as f64 / (now - *then).as_secs_f64(),
                median: quantile(&status, before, 0.5),
                percentile_99: quantile(&status, before, 0.99),
                workers: client::ask(socket, "GET", "/workers")?,
                requests: client::ask(socket, "GET", "/requests")?,
                status: status.clone(),
            };
            show(&sample).map_err(|error| format!("cannot print: {error}"))?;
        }
        // The first look is only compared with: the second comes soon.
        let next = now + if number == 0 { interval.min(Duration::from_millis(500)) } else { interval };
        before = Some((status, now));
        if number == count || !wait(next) {
            break;
        }
    }
    Ok(())
}

fn requests_since(now: &Value, before: &Value) -> u64 {
    number(now, "requests").saturating_sub(number(before, "requests"))
}

/// Below what this share of the requests of an interval took; `None` without any.
fn quantile(now: &Value, before: &Value, share: f64) -> Option<f64> {
    durations(now).since(&durations(before)).quantile(share)
}

/// The histogram in a status, which has no sum.
fn durations(status: &Value) -> HistogramSum {
    let pairs = status["durations"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let buckets =
        pairs.map(|pair| (pair[0].as_f64().unwrap_or(f64::INFINITY), pair[1].as_u64().unwrap_or(0)));
    HistogramSum { buckets: buckets.collect(), sum: 0.0 }
}

fn head(sample: &Sample) -> Vec<String> {
    let Sample { status, .. } = sample;
    let known = |seconds: Option<f64>| seconds.map_or("-".to_owned(), shape::duration);
    vec![
        format!("{}, up {}", text(status, "serving"), time(status, "uptime")),
        format!(
            "{:.1} requests/s, p50 {}, p99 {}, {} in flight, {}, {} answered with 5xx so far",
            sample.rate,
            known(sample.median),
            known(sample.percentile_99),
            number(status, "in_flight"),
            count(status, "connections"),
            number(status, "errors"),
        ),
        format!(
            "event loops blocked for {} so far, {} now; {}, {}, {}",
            time(status, "event_loop_blocked"),
            time(status, "event_loop_stuck"),
            shape::bytes(number(status, "resident_memory")),
            count(status, "workers"),
            count(status, "restarts"),
        ),
    ]
}

fn print_line(sample: &Sample) -> io::Result<()> {
    let known = |seconds: Option<f64>| seconds.map_or("-".to_owned(), shape::duration);
    let status = &sample.status;
    writeln!(
        io::stdout(),
        "{:.1} requests/s, p50 {}, p99 {}, {} in flight, {}, loop blocked {}, {}, {}",
        sample.rate,
        known(sample.median),
        known(sample.percentile_99),
        number(status, "in_flight"),
        count(status, "workers"),
        time(status, "event_loop_stuck"),
        shape::bytes(number(status, "resident_memory")),
        count(status, "restarts"),
    )
}

/// The terminal's screen; dropping it gives the terminal back as it was.
struct Screen;

impl Screen {
    fn open() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    fn show(&self, sample: &Sample) -> io::Result<()> {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        let (workers, requests) = (workers(&sample.workers), requests(&sample.requests));
        let mut lines: Vec<(bool, String)> = head(sample).into_iter().map(|line| (false, line)).collect();
        for table in [workers, requests] {
            lines.push((false, String::new()));
            lines.extend(table.into_iter().enumerate().map(|(at, line)| (at == 0, line)));
        }
        let mut out = io::stdout().lock();
        queue!(out, cursor::MoveTo(0, 0))?;
        for (at, (is_head, line)) in lines.into_iter().take(rows.into()).enumerate() {
            let line: String = line.chars().take(columns.into()).collect();
            queue!(out, cursor::MoveTo(0, at as u16), terminal::Clear(terminal::ClearType::CurrentLine))?;
            let attribute = if is_head { Attribute::Reverse } else { Attribute::Reset };
            queue!(out, SetAttribute(attribute))?;
            write!(out, "{line}")?;
            queue!(out, SetAttribute(Attribute::Reset))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        out.flush()
    }

    /// Waits; false if the user wants to leave.
    fn wait(&self, until: Instant) -> bool {
        loop {
            match event::poll(until.saturating_duration_since(Instant::now())) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
            match event::read() {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                    let is_control_c =
                        key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
                    if is_control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                        return false;
                    }
                }
                // The screen is drawn again at once for another size.
                Ok(Event::Resize(..)) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_interval() {
        let before = json!({ "requests": 10, "durations": [[1.0, 10], [2.0, 0], [null, 0]] });
        let now = json!({ "requests": 110, "durations": [[1.0, 60], [2.0, 40], [null, 10]] });
        assert_eq!(requests_since(&now, &before), 100);
        assert_eq!(quantile(&now, &before, 0.5), Some(1.0));
        assert_eq!(quantile(&now, &before, 0.7), Some(1.5));
        assert_eq!(quantile(&now, &before, 0.99), Some(2.0));
        assert_eq!(quantile(&before, &before, 0.5), None);
    }
}
