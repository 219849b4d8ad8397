//! The metrics of a server, as Prometheus reads them.

use crate::client::Client;
use crate::response::Response;
use crate::server::Server;
use prometheus_parse::{Sample, Scrape, Value};
use std::net::SocketAddr;

/// One scrape.
#[derive(Debug)]
pub struct Metrics {
    text: String,
    samples: Vec<Sample>,
}

impl Metrics {
    /// Parses a text in Prometheus's format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self { text: text.to_owned(), samples: scrape.samples }
    }

    /// The value of the sample with this name and these labels; of a histogram the number of its observations.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.metric == name && labels.iter().all(|(key, value)| sample.labels.get(key) == Some(value))
        };
        match self.samples.iter().find(fits).map(|sample| &sample.value) {
            Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
            Some(Value::Histogram(buckets)) => buckets.last().map_or(0.0, |last| last.count),
            Some(other) => panic!("{name} is {other:?}"),
            None => 0.0,
        }
    }

    /// Whether there are samples of this name.
    pub fn has(&self, name: &str) -> bool {
        self.text.lines().any(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']))
    }

    /// Everything.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Server {
    /// The address of the metrics alone, which the server announces.
    pub fn metrics_address(&self) -> SocketAddr {
        self.wait_stderr("Metrics at http://");
        let stderr = self.stderr();
        let url = stderr.split("Metrics at http://").nth(1).unwrap_or_default();
        url.split('/').next().unwrap_or_default().parse().expect("an address")
    }

    /// What it answers at `/metrics` of that address to a client that accepts `accept`.
    pub fn scrape(&self, accept: &str) -> Response {
        let mut client = Client::tcp(self.metrics_address());
        client.send(format!(
            "GET /metrics HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        ));
        client.response().expect(200)
    }

    /// The metrics now.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.scrape("*/*").text())
    }
}
