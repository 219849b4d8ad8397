//! Makes spans of what was noted, and sends them in batches.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use pounce_metrics::{Spans, WorkerMetrics, known_method};

use super::Noted;
use super::client::Client;
use super::queue::Queue;

/// Most bytes of any other method that a span has.
const LONGEST_METHOD: usize = 32;

/// The path of traces, for an endpoint that names none (OTLP over HTTP).
const PATH: &str = "/v1/traces";

pub(super) struct Exporter {
    exporter: SpanExporter,
    endpoint: String,
    scope: InstrumentationScope,
    metrics: Option<WorkerMetrics>,
    /// The last batch did not arrive.
    has_failed: bool,
}

impl Exporter {
    /// An exporter for spans of an application.
    ///
    /// # Errors
    /// Why the endpoint cannot be used.
    pub(super) fn new(
        endpoint: &str,
        application: &str,
        metrics: Option<WorkerMetrics>,
    ) -> Result<Self, String> {
        let has_path =
            endpoint.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'));
        let url =
            if has_path { endpoint.to_owned() } else { format!("{}{PATH}", endpoint.trim_end_matches('/')) };
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&url)
            .build()
            .map_err(|error| error.to_string())?;
        // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over the name of the module.
        let module = application.split(':').next().unwrap_or(application).to_owned();
        let detected = Resource::builder().build();
        let named = detected
            .get(&"service.name".into())
            .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let builder = Resource::builder();
        let builder = if named { builder } else { builder.with_service_name(module) };
        exporter.set_resource(&builder.build());
        let scope = InstrumentationScope::builder("pounce").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { exporter, endpoint: url, scope, metrics, has_failed: false })
    }

    /// Sends batches until nobody notes requests any more.
    pub(super) fn run(mut self, queue: &Queue) {
        let mut noted = Vec::new();
        while queue.take(&mut noted) {
            let batch = noted.drain(..).map(|noted| self.span(noted)).collect();
            self.send(batch);
        }
    }

    fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let sent = finish(self.exporter.export(batch));
        let fate = if sent.is_ok() { Spans::Exported } else { Spans::Failed };
        if let Some(metrics) = &self.metrics {
            metrics.spans(fate, count);
        }
        // One line for each outage, not for each batch.
        match (sent, self.has_failed) {
            (Err(error), false) => {
                tracing::warn!(target: "pounce", "cannot send spans to {}: {error}; they are dropped", self.endpoint);
                self.has_failed = true;
            }
            (Ok(()), true) => {
                tracing::info!(target: "pounce", "the collector {} takes spans again", self.endpoint);
                self.has_failed = false;
            }
            _ => {}
        }
    }

    /// A request's span, with the attributes that OpenTelemetry's conventions name for servers.
    fn span(&self, noted: Noted) -> SpanData {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Noted { trace, client, status, ended, lasted, .. } = noted;
        // Clients could make up any other, and with it names of spans.
        let method = known_method(&noted.method);
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("url.path", text(&noted.path)),
            KeyValue::new("url.scheme", noted.scheme),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("network.protocol.version", noted.version),
            KeyValue::new("client.address", client),
        ];
        if method.is_none() {
            let original = &noted.method[..noted.method.len().min(LONGEST_METHOD)];
            attributes.push(KeyValue::new("http.request.method_original", text(original)));
        }
        let is_error = status >= 500;
        if is_error {
            attributes.push(KeyValue::new("error.type", status.to_string()));
        }
        let context = SpanContext::new(
            TraceId::from_bytes(trace.trace),
            SpanId::from_bytes(trace.span),
            TraceFlags::new(trace.flags),
            false,
            TraceState::NONE,
        );
        SpanData {
            span_context: context,
            parent_span_id: trace.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: trace.parent.is_some(),
            span_kind: SpanKind::Server,
            name: method.unwrap_or("HTTP").into(),
            start_time: ended.checked_sub(lasted).unwrap_or(ended),
            end_time: ended,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if is_error { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Runs a future that blocks instead of waiting.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}
