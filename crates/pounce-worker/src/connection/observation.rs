//! Reports an exchange to the worker's observer, each event once, over every protocol.

use std::rc::Rc;
use std::time::Instant;

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
        let name = engine.settings.http.request_id.as_ref();
        let request_id = name.map(|name| request_id::give(name, info, head));
        let told = info
            .is_trusted_proxy
            .then(|| forwarded::peer(head, &info.peer, &engine.settings.proxies.trusted))
            .flatten();
        let mut begun = Self {
            number: engine.number_exchange(),
            peer: told.map_or_else(|| Rc::clone(&info.peer), Rc::new),
            request_id,
            trace: engine.settings.http.otel_endpoint.is_some().then(|| TraceContext::enter(head)),
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

    /// The head of the application's response with what the server adds for this request; `None` if it adds nothing.
    pub(super) fn dress(&self, engine: &Engine, head: &ResponseHead) -> Option<ResponseHead> {
        let http = &engine.settings.http;
        if self.request_id.is_none() && !http.server_timing {
            return None;
        }
        let mut head = head.clone();
        self.add_id(engine, &mut head);
        if http.server_timing {
            let millis = self.started.elapsed().as_secs_f64() * 1000.0;
            head.fields.push(b"server-timing", format!("app;dur={millis:.3}").as_bytes());
        }
        Some(head)
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
