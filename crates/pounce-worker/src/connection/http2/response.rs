//! The sending half of an exchange: what an application answers in, calls of `h2` out.
//!
//! The rules are those of [`crate::http1::ResponseEncoder`], where framing is not the application's affair either.

use bytes::Bytes;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Response, StatusCode};
use pounce_asgi::{Fields, FileBody, Payload, ResponseHead, SendError};

use super::body::Body;
use crate::engine::Engine;
use crate::http1::{check_field, check_length, decimal, is_forbidden_trailer};

/// The response of one exchange.
pub(in crate::connection) struct Responder {
    respond: SendResponse<Bytes>,
    phase: Phase,
    is_head: bool,
    accepts_trailers: bool,
    held: Response<()>,
    trailers: bool,
    gathered: HeaderMap,
    pub(in crate::connection) body: Option<Body>,
    pub(in crate::connection) body_sent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No response head yet.
    Waiting,
    /// A head is held back until the first piece of the body.
    Held {
        length: Option<u64>,
    },
    /// In the body; what is left of it where its length was told.
    Body {
        left: Option<u64>,
    },
    /// In a body that is not sent: HEAD, 204, 304.
    Unsent,
    /// The body is complete and trailers are still to come.
    Trailers,
    Complete,
}

impl Responder {
    pub(in crate::connection) fn new(
        respond: SendResponse<Bytes>,
        is_head: bool,
        accepts_trailers: bool,
    ) -> Self {
        Self {
            respond,
            phase: Phase::Waiting,
            is_head,
            accepts_trailers,
            held: Response::new(()),
            trailers: false,
            gathered: HeaderMap::new(),
            body: None,
            body_sent: 0,
        }
    }

    pub(in crate::connection) fn stream_id(&self) -> u32 {
        self.respond.stream_id().as_u32()
    }

    pub(in crate::connection) fn is_started(&self) -> bool {
        self.phase != Phase::Waiting
    }

    pub(in crate::connection) fn is_head_sent(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Held { .. })
    }

    pub(in crate::connection) fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    /// The status, 0 before there is one.
    pub(in crate::connection) fn status(&self) -> u16 {
        if self.is_started() { self.held.status().as_u16() } else { 0 }
    }

    /// Whether all of it has been handed to `h2`.
    pub(in crate::connection) fn is_flushed(&self) -> bool {
        self.is_complete() && self.body.as_ref().is_none_or(Body::is_ended)
    }

    /// Bytes that wait for the client.
    pub(in crate::connection) fn waiting(&self) -> u64 {
        self.body.as_ref().map_or(0, Body::len)
    }

    /// Forgets a head that is held back, so that another may be started.
    pub(in crate::connection) fn restart(&mut self) -> bool {
        if self.is_head_sent() {
            return false;
        }
        self.phase = Phase::Waiting;
        true
    }

    /// What tells of resets before and in the body.
    pub(in crate::connection) fn poll_reset(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        let is_head_sent = self.is_head_sent();
        match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None if is_head_sent => std::task::Poll::Pending,
            None => self.respond.poll_reset(cx).map(drop),
        }
    }

    /// Tells the client that nothing more comes.
    pub(in crate::connection) fn reset(&mut self, reason: h2::Reason) {
        match &mut self.body {
            Some(body) => body.reset(reason),
            None => self.respond.send_reset(reason),
        }
        self.phase = Phase::Complete;
    }

    /// Sends a response that opens a tunnel, and returns what is sent through it.
    pub(in crate::connection) fn open(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: std::time::Instant,
    ) -> Result<Body, SendError> {
        *self.held.status_mut() = StatusCode::OK;
        for (name, value) in fields.iter() {
            let (name, value) = pair(name, value)?;
            add(self.held.headers_mut(), name, value)?;
        }
        self.add_fields(engine, now);
        let sent = self.respond.send_response(std::mem::take(&mut self.held), false);
        self.phase = Phase::Complete;
        sent.map(Body::new).map_err(|_| SendError::Disconnected)
    }

    /// Sends `100 Continue`.
    pub(in crate::connection) fn send_continue(&mut self) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        // A stream that is gone is noticed elsewhere.
        let _ = self.respond.send_informational(response);
    }

    /// Sends `103 Early Hints`.
    pub(in crate::connection) fn early_hints(&mut self, links: &Fields) -> Result<(), SendError> {
        if self.phase != Phase::Waiting {
            return Err(SendError::AfterStart("http.response.early_hint"));
        }
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::EARLY_HINTS;
        for (name, value) in links.iter() {
            let (name, value) = pair(name, value)?;
            add(response.headers_mut(), name, value)?;
        }
        let _ = self.respond.send_informational(response);
        Ok(())
    }

    /// Begins the response with `head`, which is held back.
    pub(in crate::connection) fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        match self.phase {
            Phase::Waiting => {}
            Phase::Complete => return Err(SendError::AfterEnd("http.response.start")),
            _ => return Err(SendError::StartedTwice),
        }
        let status = StatusCode::from_u16(head.status).ok().filter(|status| status.as_u16() >= 200);
        let status = status.ok_or(SendError::Status(head.status.into()))?;
        let mut fields = HeaderMap::with_capacity((head.fields.len() + 3).min(64));
        let mut length = None;
        for (name, value) in head.fields.iter() {
            let (name, value) = pair(name, value)?;
            match name.as_str() {
                "content-length" => {
                    let declared = decimal(value.as_bytes()).ok_or(SendError::ContentLength)?;
                    match length.replace(declared) {
                        Some(before) if before != declared => return Err(SendError::ContentLength),
                        Some(_) => continue,
                        None if status == StatusCode::NO_CONTENT => continue,
                        None => {}
                    }
                }
                "transfer-encoding" if value != "chunked" => return Err(SendError::TransferEncoding),
                // RFC 9113 section 8.2.2.
                "transfer-encoding" | "connection" | "keep-alive" | "proxy-connection" | "upgrade" => {
                    continue;
                }
                _ => {}
            }
            add(&mut fields, name, value)?;
        }
        *self.held.status_mut() = status;
        *self.held.headers_mut() = fields;
        self.trailers = head.trailers && self.accepts_trailers;
        self.phase = Phase::Held { length };
        Ok(())
    }

    /// Sends a piece of the body.
    pub(in crate::connection) fn body(
        &mut self,
        payload: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: std::time::Instant,
    ) -> Result<(), SendError> {
        let length = payload.as_slice().len() as u64;
        self.admit(length, more, engine, now)?;
        if let (Phase::Body { .. }, Some(body)) = (self.phase, &mut self.body) {
            body.push(payload);
        }
        self.finish_piece(length, more);
        Ok(())
    }

    /// Sends a part of a file as a piece of the body.
    pub(in crate::connection) fn file(
        &mut self,
        file: FileBody,
        more: bool,
        engine: &Engine,
        now: std::time::Instant,
    ) -> Result<(), SendError> {
        let length = file.length;
        self.admit(length, more, engine, now)?;
        if let (Phase::Body { .. }, Some(body)) = (self.phase, &mut self.body) {
            body.push_file(file);
        }
        self.finish_piece(length, more);
        Ok(())
    }

    /// Sends trailer fields behind a complete body.
    pub(in crate::connection) fn trailers(&mut self, fields: &Fields, more: bool) -> Result<(), SendError> {
        match self.phase {
            Phase::Trailers => {}
            Phase::Waiting => return Err(SendError::BeforeStart("http.response.trailers")),
            Phase::Complete => return Err(SendError::AfterEnd("http.response.trailers")),
            _ => return Err(SendError::Trailers),
        }
        let mut pairs = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            if is_forbidden_trailer(name) {
                return Err(SendError::TrailerName(name.escape_ascii().to_string()));
            }
            pairs.push(pair(name, value)?);
        }
        for (name, value) in pairs {
            add(&mut self.gathered, name, value)?;
        }
        if !more {
            if let Some(body) = &mut self.body {
                body.end(Some(std::mem::take(&mut self.gathered)));
            }
            self.phase = Phase::Complete;
        }
        Ok(())
    }

    /// Checks whether a piece of this length may come now, and sends the head if it is the first.
    fn admit(
        &mut self,
        length: u64,
        more: bool,
        engine: &Engine,
        now: std::time::Instant,
    ) -> Result<(), SendError> {
        match self.phase {
            Phase::Waiting => Err(SendError::BeforeStart("http.response.body")),
            Phase::Complete => Err(SendError::AfterEnd("http.response.body")),
            Phase::Trailers => Err(SendError::BodyAfterEnd),
            Phase::Held { length: declared } => {
                let bodiless =
                    matches!(self.held.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                let unsent = self.is_head || bodiless;
                if let Some(declared) = declared.filter(|_| !unsent) {
                    check_length(declared, declared, length, more)?;
                }
                let whole = (!more && !self.trailers && !bodiless).then_some(length);
                if let (None, Some(length)) = (declared, whole) {
                    self.held.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
                self.add_fields(engine, now);
                let empty = unsent || !more && length == 0 && !self.trailers;
                let mut response = Response::new(());
                *response.status_mut() = self.held.status();
                *response.headers_mut() = std::mem::take(self.held.headers_mut());
                let sent = self.respond.send_response(response, empty);
                let stream = sent.map_err(|_| SendError::Disconnected)?;
                self.body = (!empty).then(|| Body::new(stream));
                self.phase = if empty { Phase::Unsent } else { Phase::Body { left: declared.or(whole) } };
                Ok(())
            }
            Phase::Body { left: Some(left) } => check_length(self.body_sent + left, left, length, more),
            Phase::Body { left: None } | Phase::Unsent => Ok(()),
        }
    }

    /// Adds what is the server's to say.
    fn add_fields(&mut self, engine: &Engine, now: std::time::Instant) {
        let fields = self.held.headers_mut();
        if let (Some(date), false) = (engine.date_value(now), fields.contains_key(DATE)) {
            fields.insert(DATE, date);
        }
        if let (Some(server), false) = (engine.server_value(), fields.contains_key(SERVER)) {
            fields.insert(SERVER, server);
        }
        for (name, value) in engine.extra_values() {
            // Where there is no room left the application has sent tens of thousands.
            let _ = fields.try_append(name.clone(), value.clone());
        }
    }

    /// Accounts for a piece that was sent, and ends the body behind the last one.
    fn finish_piece(&mut self, length: u64, more: bool) {
        if self.phase != Phase::Unsent {
            self.body_sent += length;
        }
        if let Phase::Body { left: Some(left) } = &mut self.phase {
            *left -= length;
        }
        if more {
            return;
        }
        if self.trailers && self.phase != Phase::Unsent {
            self.phase = Phase::Trailers;
            return;
        }
        if let Some(body) = &mut self.body {
            body.end(None);
        }
        self.phase = Phase::Complete;
    }
}

/// Adds a field to others.
fn add(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), SendError> {
    fields.try_append(name, value).map(drop).map_err(|_| SendError::TooManyFields)
}

/// A field as `h2` takes it, checked as everywhere.
fn pair(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), SendError> {
    check_field(name, value)?;
    let named = HeaderName::from_bytes(name);
    let named = named.map_err(|_| SendError::FieldName(name.escape_ascii().to_string()))?;
    let value =
        HeaderValue::from_bytes(value).map_err(|_| SendError::FieldValue { name: named.to_string() })?;
    Ok((named, value))
}
