//! Reports an exchange to the worker's observer, each event once, over every protocol.

use std::rc::Rc;
use std::time::{Duration, Instant};

use pounce_asgi::{ConnectionInfo, Fields, Peer, RequestHead, ResponseHead};

use crate::engine::Engine;
use crate::observer::{CLIENT_CLOSED_REQUEST, ExchangeRecord, ObservedRequest};
use crate::trace_context::TraceContext;
use crate::{forwarded, request_id};

/// Reports an exchange to the observer, each event once.
#[derive(Debug)]
pub(super) struct Observation {
    number: u64,
    /// Who asks: who has connected, or whom a trusted proxy speaks for.
    pub(super) peer: Rc<Peer>,
    /// The request's id, if requests have one.
    request_id: Option<String>,
    /// The trace that it belongs to, if requests are traced.
    trace: Option<TraceContext>,
    pub(super) started: Instant,
    stage: Stage,
    /// Its place in the list of running requests.
    listed: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No exchange has begun.
    Untold,
    Begun,
    Head,
    Over,
}

/// How an exchange ended.
pub(super) struct End<'a> {
    pub(super) response_fields: &'a Fields,
    /// The status sent.
    pub(super) status: Option<u16>,
    /// It was a WebSocket, which the application accepted.
    pub(super) is_websocket: bool,
    /// The client left before the response was complete.
    pub(super) client_left: bool,
    pub(super) body_bytes: u64,
}

impl Observation {
    /// Before the first exchange of a connection.
    pub(super) fn none(info: &ConnectionInfo, now: Instant) -> Self {
        Self {
            number: 0,
            peer: Rc::clone(&info.peer),
            request_id: None,
            trace: None,
            started: now,
            stage: Stage::Untold,
            listed: None,
        }
    }

    /// Begins an exchange and reports it.
    pub(super) fn begin(
        engine: &Engine,
        info: &ConnectionInfo,
        head: &mut RequestHead,
        started: Instant,
    ) -> Self {
        let http = &engine.settings.http;
        let number = engine.number_exchange();
        let request_id = http.request_id.as_ref().map(|name| request_id::give(name, info, head, number));
        let told = info
            .is_trusted_proxy
            .then(|| forwarded::peer(head, &info.peer, &engine.settings.proxies.trusted))
            .flatten();
        let mut begun = Self {
            number,
            peer: told.map_or_else(|| Rc::clone(&info.peer), Rc::new),
            request_id,
            trace: http.otel_endpoint.is_some().then(|| TraceContext::enter(head, http.otel_sample)),
            started,
            stage: Stage::Begun,
            listed: None,
        };
        if let Some(metrics) = &engine.settings.metrics {
            begun.listed = metrics.request_begun(begun.number, head.method(), head.raw_path());
        }
        if let Some(observer) = &engine.observer {
            observer.begin(
                begun.number,
                &ObservedRequest {
                    connection: info,
                    peer: &begun.peer,
                    request_id: begun.request_id.as_deref(),
                    trace: begun.trace.as_ref(),
                    head,
                },
            );
        }
        begun
    }

    /// Adds to the head of the application's response what the server says of this request.
    pub(super) fn dress(&self, engine: &Engine, head: &mut ResponseHead) {
        self.add_id(engine, head);
        if engine.settings.http.server_timing {
            head.fields.push(b"server-timing", &server_timing(self.started.elapsed()));
        }
    }

    /// Adds the request's id to a response of the server itself. The exchange may have ended before, where a request is
    /// malformed; that one has no id.
    pub(super) fn add_id(&self, engine: &Engine, head: &mut ResponseHead) {
        let id = engine.settings.http.request_id.as_ref().zip(self.request_id.as_ref());
        if let (Some((name, id)), Stage::Begun | Stage::Head) = (id, self.stage) {
            head.fields.set(name.as_bytes(), id.as_bytes());
        }
    }

    /// Reports the head of the response, once a status has been sent.
    pub(super) fn head(&mut self, engine: &Engine, status: Option<u16>) {
        if let (Some(observer), Some(status), Stage::Begun) = (&engine.observer, status, self.stage) {
            self.stage = Stage::Head;
            observer.head(self.number, status);
        }
    }

    /// Reports the end of the exchange.
    pub(super) fn end(&mut self, engine: &Engine, info: &ConnectionInfo, head: &RequestHead, end: &End<'_>) {
        self.head(engine, end.status);
        let (Stage::Begun | Stage::Head) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        if engine.observer.is_none() && engine.settings.metrics.is_none() {
            return;
        }
        let status = end.status.filter(|_| !end.client_left).unwrap_or(CLIENT_CLOSED_REQUEST);
        let duration = self.started.elapsed();
        engine.count_metric(|metrics| {
            metrics.request_ended(
                self.listed.take(),
                head.method(),
                status,
                (!end.is_websocket).then_some(duration),
            );
        });
        let Some(observer) = &engine.observer else { return };
        let record = ExchangeRecord {
            request: ObservedRequest {
                connection: info,
                peer: &self.peer,
                request_id: self.request_id.as_deref(),
                trace: self.trace.as_ref(),
                head,
            },
            response_fields: end.response_fields,
            status,
            body_bytes: end.body_bytes,
            duration,
        };
        observer.end(self.number, &record);
    }
}

/// The value of `Server-Timing`: milliseconds with three decimals. The machinery of `format!` would cost more than all the
/// rest of the field.
fn server_timing(lasted: Duration) -> Vec<u8> {
    let micros = lasted.as_micros() as u64;
    let mut value = Vec::with_capacity(32);
    value.extend_from_slice(b"app;dur=");
    value.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
    // The digit in front becomes the point.
    let decimals = value.len();
    value.extend_from_slice(itoa::Buffer::new().format(1000 + micros % 1000).as_bytes());
    value[decimals] = b'.';
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_is_in_milliseconds() {
        for (micros, value) in [(0, "app;dur=0.000"), (7, "app;dur=0.007"), (1_234_050, "app;dur=1234.050")] {
            assert_eq!(server_timing(Duration::from_micros(micros)), value.as_bytes());
        }
    }
}
