//! What the control socket shows, as JSON. All times are seconds, all sizes bytes.

use pounce_metrics::{RunningRequest, WorkerNow};
use serde_json::{Value, json};

use super::Subject;
use crate::clock::monotonic;
use crate::metrics::resident;

/// The server as a whole.
pub(super) fn status(subject: &Subject) -> Value {
    let seen = subject.rows.snapshot();
    let durations = seen.durations();
    let age =
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "serving": subject.serving,
        "ready": subject.rows.is_ready() && !subject.handle.is_asked_to_stop(),
        "stopping": subject.handle.is_asked_to_stop(),
        "uptime": age.saturating_sub(seen.started()).as_secs_f64(),
        "workers": seen.serving(),
        "reloads": subject.reloads.borrow().ended,
        "requests": seen.requests(),
        "errors": seen.server_errors(),
        "in_flight": seen.in_flight(),
        "connections": seen.open_connections(),
        "websockets": seen.open_websockets(),
        "restarts": seen.restarts(),
        "durations": durations.buckets.iter().map(|(bound, count)| json!([finite(*bound), count])).collect::<Vec<_>>(),
        "event_loop_stuck": seen.stuck_for(monotonic()).as_secs_f64(),
        "event_loop_blocked": seen.blocked().as_secs_f64(),
        "resident_memory": seen.processes().map(resident).sum::<u64>(),
    })
}

/// A bound of a bucket; JSON has no infinity.
fn finite(bound: f64) -> Value {
    if bound.is_finite() { json!(bound) } else { Value::Null }
}

/// Its workers.
pub(super) fn workers(subject: &Subject) -> Value {
    let now = monotonic();
    let worker = |worker: WorkerNow| {
        json!({
            "slot": worker.slot,
            "generation": worker.generation,
            "process": worker.process,
            "phase": worker.phase.name(),
            "age": worker.age.as_secs_f64(),
            "in_flight": worker.in_flight,
            "connections": worker.connections,
            "requests": worker.served,
            "event_loop_stuck": worker.due.map_or(0.0, |due| now.saturating_sub(due).as_secs_f64()),
            "resident_memory": resident(worker.process),
        })
    };
    subject.rows.workers_now().into_iter().map(worker).collect()
}

/// The requests that run.
pub(super) fn requests(subject: &Subject) -> Value {
    let request = |worker: &WorkerNow, request: &RunningRequest| {
        json!({
            "slot": worker.slot,
            "process": worker.process,
            "number": request.number,
            "method": request.method,
            "path": request.path,
            "seconds": request.runs_for.as_secs_f64(),
        })
    };
    let workers = subject.rows.workers_now();
    let mut shown: Vec<_> =
        workers.iter().flat_map(|of| of.requests.iter().map(move |it| (of, it))).collect();
    shown.sort_by_key(|(_, request)| std::cmp::Reverse(request.runs_for));
    shown.into_iter().map(|(of, it)| request(of, it)).collect()
}
