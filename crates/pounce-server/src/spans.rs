//! Traces: a span of each request, for an OpenTelemetry collector.
//!
//! The worker only notes what is needed in a queue with an end; a thread of its own makes spans of it and sends them. Where
//! the collector is slow the queue is full, and spans are dropped and counted.

mod client;
mod exporter;
mod queue;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

use pounce_config::WorkerConfig;
use pounce_metrics::{Spans, WorkerMetrics};
use pounce_worker::{ExchangeRecord, Observer, TraceContext};

use self::queue::Queue;
use crate::error::ServerError;

/// Most bytes of a path that a span has, so that those that wait need little memory.
const LONGEST_PATH: usize = 1024;

/// How long the rest may take when the worker ends.
const LAST_BATCH: Duration = Duration::from_secs(2);

/// What is noted of a request.
struct Noted {
    trace: TraceContext,
    method: Box<[u8]>,
    path: Box<[u8]>,
    scheme: &'static str,
    client: String,
    version: &'static str,
    status: u16,
    ended: SystemTime,
    lasted: Duration,
}

/// Notes requests for the exporter.
pub(crate) struct SpanObserver {
    queue: Arc<Queue>,
    metrics: Option<WorkerMetrics>,
}

/// The exporter's thread. It sends what is left when this is dropped, after the observer.
pub(crate) struct SpanExport {
    done: Receiver<()>,
}

/// Starts the exporter of a worker, if requests are traced.
///
/// # Errors
/// The endpoint cannot be used, or the thread cannot be started.
pub(crate) fn start(
    config: &WorkerConfig,
    metrics: Option<&WorkerMetrics>,
) -> Result<Option<(SpanObserver, SpanExport)>, ServerError> {
    let Some(endpoint) = &config.http.otel_endpoint else { return Ok(None) };
    let exporter = exporter::Exporter::new(endpoint, &config.app.target, metrics.cloned())
        .map_err(|why| ServerError::Mode(format!("cannot use the collector {endpoint}: {why}")))?;
    let queue = Arc::<Queue>::default();
    let noted = Arc::clone(&queue);
    let (ends, done) = sync_channel(1);
    std::thread::Builder::new()
        .name("pounce-spans".to_owned())
        .spawn(move || {
            exporter.run(&noted);
            let _ = ends.send(());
        })
        .map_err(|error| ServerError::System { what: "cannot start the exporter of spans", error })?;
    Ok(Some((SpanObserver { queue, metrics: metrics.cloned() }, SpanExport { done })))
}

impl Observer for SpanObserver {
    fn end(&self, _number: u64, record: &ExchangeRecord<'_>) {
        let request = &record.request;
        let Some(trace) = request.trace.filter(|trace| trace.is_sampled()) else { return };
        let path = request.head.raw_path();
        let noted = Noted {
            trace: *trace,
            method: request.head.method().into(),
            path: path[..path.len().min(LONGEST_PATH)].into(),
            scheme: request.peer.scheme.as_str(),
            client: request.peer.client.to_string(),
            version: request.head.version().as_str(),
            status: record.status,
            ended: SystemTime::now(),
            lasted: record.duration,
        };
        if let (false, Some(metrics)) = (self.queue.push(noted), &self.metrics) {
            metrics.spans(Spans::Dropped, 1);
        }
    }
}

impl Drop for SpanObserver {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Drop for SpanExport {
    fn drop(&mut self) {
        // An error means that the collector is too slow for the last spans.
        let _ = self.done.recv_timeout(LAST_BATCH);
    }
}
