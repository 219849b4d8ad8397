//! The sum as text: Prometheus's format 0.0.4, or OpenMetrics 1.0.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::labels::{Direction, METHODS, Protocol, Refused, Restart, STATUSES, Spans};
use crate::layout;
use crate::snapshot::{HistogramSum, Snapshot};

/// A format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus's own.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl TextFormat {
    /// The format that a scraper accepts: OpenMetrics if its `Accept` names it, as Prometheus does.
    pub fn accepted_by(accept: &[u8]) -> Self {
        let named = b"application/openmetrics-text";
        let names_it = accept.windows(named.len()).any(|part| part.eq_ignore_ascii_case(named));
        if names_it { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What is known of the server besides its counters.
#[derive(Debug, Clone)]
pub struct Build {
    /// The version of the server.
    pub version: &'static str,
    /// The version of Python.
    pub python: String,
}

impl Snapshot {
    /// The text. `now` is the monotonic clock's time, `resident` the memory of all processes in bytes.
    pub fn text(&self, format: TextFormat, build: &Build, now: Duration, resident: u64) -> String {
        let exposition = Exposition {
            stuck: self.stuck_for(now).as_secs_f64(),
            snapshot: self.clone(),
            build: build.clone(),
            resident,
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(exposition));
        let mut written = String::new();
        let encoded = match format {
            TextFormat::Prometheus => prometheus_text::encode(&mut written, &registry),
            TextFormat::OpenMetrics => text::encode(&mut written, &registry),
        };
        debug_assert_eq!(encoded, Ok(()), "a String takes any text");
        written
    }
}

#[derive(Debug)]
struct Exposition {
    snapshot: Snapshot,
    build: Build,
    stuck: f64,
    resident: u64,
}

/// Label names and values.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// Writes metrics one after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        (unit, kind): (Option<Unit>, MetricType),
        write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(self.0.encode_descriptor(name, help, unit.as_ref(), kind)?)
    }

    /// A counter; its name gets the suffix `_total`.
    fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl Into<Number>,
    ) -> fmt::Result {
        let value = value.into();
        self.family(name, help, (unit, MetricType::Counter), |encoder| value.encode_counter(encoder))
    }

    fn counters<'l, const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        self.family(name, help, (None, MetricType::Counter), |mut encoder| {
            values.into_iter().try_for_each(|(labels, value)| {
                ConstCounter::new(value).encode(encoder.encode_family(&Labels::from(&labels))?)
            })
        })
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, value: impl Into<Number>) -> fmt::Result {
        let value = value.into();
        self.family(name, help, (unit, MetricType::Gauge), |encoder| value.encode_gauge(encoder))
    }

    fn histogram(&mut self, name: &str, help: &str, sum: &HistogramSum) -> fmt::Result {
        self.family(name, help, (Some(Unit::Seconds), MetricType::Histogram), |mut encoder| {
            encoder.encode_histogram::<NoLabelSet>(sum.sum, sum.count(), &sum.buckets, None)
        })
    }
}

/// A value of a counter or gauge.
enum Number {
    Whole(u64),
    Fraction(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Fraction(number)
    }
}

impl Number {
    fn encode_counter(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => ConstCounter::new(*number).encode(encoder),
            Self::Fraction(number) => ConstCounter::new(*number).encode(encoder),
        }
    }

    fn encode_gauge(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => ConstGauge::new(number.cast_signed()).encode(encoder),
            Self::Fraction(number) => ConstGauge::new(*number).encode(encoder),
        }
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(encoder);
        self.requests(&mut to)?;
        self.connections(&mut to)?;
        self.event_loop(&mut to)?;
        self.server(&mut to)
    }
}

impl Exposition {
    fn requests(&self, to: &mut Writer<'_>) -> fmt::Result {
        let seen = &self.snapshot;
        let labels = METHODS.iter().flat_map(|method| STATUSES.iter().map(move |status| (*method, *status)));
        let counted = labels.zip(seen.part(layout::REQUESTS).iter().copied()).filter(|(_, count)| *count > 0);
        to.counters(
            (
                "pounce_requests",
                "Requests that are over, by method and class of status; 499 is a client that left",
            ),
            counted.map(|((method, status), count)| ([("method", method), ("status", status)], count)),
        )?;
        let help = "From the complete head of a request to its complete response; without WebSockets";
        to.histogram("pounce_request_duration", help, &seen.durations())?;
        to.gauge("pounce_requests_in_flight", "Requests that are not over", None, seen.in_flight())?;
        let refused = labelled("reason", Refused::ALL, |why| why.as_str(), seen.part(layout::REFUSED));
        to.counters(("pounce_refused", "Connections and requests that the server itself refused"), refused)
    }

    fn connections(&self, to: &mut Writer<'_>) -> fmt::Result {
        let seen = &self.snapshot;
        let accepted = seen.number(layout::CONNECTIONS.start);
        to.counter("pounce_connections", "Connections accepted", None, accepted)?;
        let open = labelled("protocol", Protocol::ALL, |protocol| protocol.as_str(), seen.part(layout::OPEN));
        to.family(
            "pounce_open_connections",
            "Open connections",
            (None, MetricType::Gauge),
            |mut encoder| {
                open.into_iter().try_for_each(|(labels, value)| {
                    ConstGauge::new(value.cast_signed())
                        .encode(encoder.encode_family(&Labels::from(&labels))?)
                })
            },
        )?;
        let by_direction = |numbers| labelled("direction", Direction::ALL, |to| to.as_str(), numbers);
        let bytes = by_direction(seen.part(layout::BYTES));
        to.counters(("pounce_network_bytes", "Bytes that sockets of clients received and sent"), bytes)?;
        let opened = seen.number(layout::WEBSOCKETS.start);
        to.counter("pounce_websockets", "WebSockets opened", None, opened)?;
        let open = seen.number(layout::OPEN_WEBSOCKETS.start);
        to.gauge("pounce_open_websockets", "Open WebSockets", None, open)?;
        let messages = by_direction(seen.part(layout::MESSAGES));
        to.counters(("pounce_websocket_messages", "Messages of WebSockets"), messages)?;
        let results = [false, true];
        let as_str = |failed: bool| if failed { "failed" } else { "complete" };
        let handshakes = labelled("result", &results, as_str, seen.part(layout::HANDSHAKES));
        to.counters(("pounce_tls_handshakes", "TLS handshakes"), handshakes)
    }

    fn event_loop(&self, to: &mut Writer<'_>) -> fmt::Result {
        let seen = &self.snapshot;
        let help = "How late the event loops of busy workers were to run what was due, ten times a second";
        to.histogram("pounce_event_loop_lag", help, &seen.histogram(layout::LAGS))?;
        let blocked = seen.number(layout::BLOCKED.start) as f64 / 1e9;
        let help = "How long event loops were blocked, in pieces of at least --log-blocked-loop or 100 ms";
        to.counter("pounce_event_loop_blocked", help, Some(Unit::Seconds), blocked)?;
        let help = "For how long the event loop that is most overdue has been blocked by now";
        to.gauge("pounce_event_loop_stuck", help, Some(Unit::Seconds), self.stuck)?;
        to.histogram(
            "pounce_gc_pause",
            "Pauses of Python's garbage collector",
            &seen.histogram(layout::PAUSES),
        )
    }

    fn server(&self, to: &mut Writer<'_>) -> fmt::Result {
        let seen = &self.snapshot;
        let spans = labelled("result", Spans::ALL, |fate| fate.as_str(), seen.part(layout::SPANS));
        to.counters(("pounce_spans", "Spans of traces, by what became of them"), spans)?;
        to.gauge("pounce_workers", "Workers that serve", None, seen.serving())?;
        let restarts = labelled("reason", Restart::ALL, |why| why.as_str(), seen.part(layout::RESTARTS));
        to.counters(("pounce_worker_restarts", "Workers started in the place of others"), restarts)?;
        let help = "Resident memory of the server and all its workers; pages that they share count for each";
        to.gauge("pounce_resident_memory", help, Some(Unit::Bytes), self.resident)?;
        let help = "When the server started, since the Unix epoch";
        to.gauge("process_start_time", help, Some(Unit::Seconds), seen.started().as_secs_f64())?;
        let Build { version, python } = &self.build;
        let labels = [("version", *version), ("python", python)];
        to.family("pounce_build", "The server's version", (None, MetricType::Info), |mut encoder| {
            encoder.encode_info(&Labels::from(&labels))
        })
    }
}

/// A number for each value of a label.
fn labelled<T: Copy>(
    name: &'static str,
    values: &[T],
    as_str: impl Fn(T) -> &'static str,
    numbers: &[u64],
) -> Vec<([(&'static str, &'static str); 1], u64)> {
    values.iter().zip(numbers).map(|(value, number)| ([(name, as_str(*value))], *number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scoreboard;

    fn text(format: TextFormat) -> String {
        let board = Scoreboard::new(false).expect("memory");
        let place = board.take_place(0, 0).expect("a place");
        let metrics = place.metrics();
        metrics.serves(1);
        for millis in [3, 3, 700, 100_000] {
            metrics.request_begun(1, b"GET", b"/");
            metrics.request_ended(None, b"GET", 200, Some(Duration::from_millis(millis)));
        }
        metrics.request_begun(1, b"GET", b"/");
        metrics.connection_opened(Protocol::Http2);
        metrics.lag(Duration::from_millis(1500), Duration::from_millis(100));
        metrics.due(Some(Duration::from_secs(10)));
        let build = Build { version: "0.1.0", python: "3.13.0".to_owned() };
        board.rows().snapshot().text(format, &build, Duration::from_millis(12_500), 1 << 20)
    }

    #[test]
    fn a_parser_of_prometheus_reads_the_text() {
        let text = text(TextFormat::Prometheus);
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let read = prometheus_parse::Scrape::parse(lines).expect("it is well formed");
        let sample = |name: &str, label: Option<(&str, &str)>| {
            let found = read.samples.iter().find(|sample| {
                sample.metric == name
                    && label.is_none_or(|(key, value)| sample.labels.get(key) == Some(value))
            });
            found.unwrap_or_else(|| panic!("no {name} in {text}")).value.clone()
        };
        let number = |name: &str, label| match sample(name, label) {
            prometheus_parse::Value::Counter(number) | prometheus_parse::Value::Gauge(number) => number,
            other => panic!("{name} is {other:?}"),
        };
        assert_eq!(number("pounce_requests_total", Some(("status", "2xx"))), 4.0);
        assert_eq!(number("pounce_requests_in_flight", None), 1.0);
        assert_eq!(number("pounce_open_connections", Some(("protocol", "http/2"))), 1.0);
        assert_eq!(number("pounce_event_loop_blocked_seconds_total", None), 1.5);
        assert_eq!(number("pounce_event_loop_stuck_seconds", None), 2.5);
        assert!(number("process_start_time_seconds", None) > 1_700_000_000.0);
        assert_eq!(number("pounce_resident_memory_bytes", None), 1_048_576.0);
        assert_eq!(number("pounce_build_info", Some(("python", "3.13.0"))), 1.0);
        let prometheus_parse::Value::Histogram(buckets) = sample("pounce_request_duration_seconds", None)
        else {
            panic!("no histogram in {text}")
        };
        let count = |below: f64| buckets.iter().find(|it| it.less_than == below).map(|it| it.count);
        assert_eq!(count(0.0025), Some(0.0));
        assert_eq!(count(0.005), Some(2.0));
        assert_eq!(count(1.0), Some(3.0));
        assert_eq!(count(f64::INFINITY), Some(4.0));
        assert!(!text.contains("EOF"), "that is OpenMetrics");
    }

    #[test]
    fn open_metrics_is_sent_to_those_who_accept_it() {
        let text = text(TextFormat::OpenMetrics);
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("# TYPE pounce_requests counter"), "{text}");
        assert!(text.contains("pounce_requests_total{method=\"GET\",status=\"2xx\"} 4\n"), "{text}");
        assert!(text.contains("pounce_request_duration_seconds_bucket{le=\"+Inf\"} 4\n"), "{text}");
        let prometheus =
            b"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(TextFormat::accepted_by(prometheus), TextFormat::OpenMetrics);
        assert_eq!(TextFormat::accepted_by(b"*/*"), TextFormat::Prometheus);
    }
}
