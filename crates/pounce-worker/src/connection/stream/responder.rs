//! The sending half of an exchange: turns the application's response into calls to the transport.

use std::task::{Context, Poll};
use std::time::Instant;

use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Response, StatusCode};
use pounce_asgi::{Fields, FileBody, Payload, ResponseHead, SendError};

use super::body::Body;
use super::transport::{Reset, Respond};
use crate::engine::Engine;
use crate::http1::{check_field, decimal, is_forbidden_trailer};
use crate::progress::{Held, Progress};

/// The response of one exchange.
pub(in crate::connection) struct Responder<R: Respond> {
    stream_id: u64,
    /// `None` once released to the transport.
    respond: Option<R>,
    progress: Progress,
    is_head: bool,
    accepts_trailers: bool,
    held: Response<()>,
    trailers: bool,
    gathered: HeaderMap,
    pub(super) body: Option<Body<R::Body>>,
    /// The connection has had a turn to write, so that a reset may follow.
    has_waited: bool,
    /// The client will send the rest of its body.
    pub(super) is_uploading: bool,
    /// A whole response (a head without a body), held back like a last piece.
    last: Option<Response<()>>,
}

impl<R: Respond> Responder<R> {
    pub(in crate::connection) fn new(respond: R, is_head: bool, accepts_trailers: bool) -> Self {
        Self {
            stream_id: respond.stream_id(),
            respond: Some(respond),
            progress: Progress::default(),
            is_head,
            accepts_trailers,
            held: Response::new(()),
            trailers: false,
            gathered: HeaderMap::new(),
            body: None,
            has_waited: false,
            is_uploading: false,
            last: None,
        }
    }

    pub(in crate::connection) fn stream_id(&self) -> u64 {
        self.stream_id
    }

    pub(super) fn is_head_sent(&self) -> bool {
        self.progress.is_head_sent()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress.is_complete()
    }

    /// Bytes of the body sent so far.
    pub(super) fn body_sent(&self) -> u64 {
        self.progress.body_sent()
    }

    /// The status, once sent.
    pub(super) fn status(&self) -> Option<u16> {
        self.is_head_sent().then(|| self.held.status().as_u16())
    }

    /// Whether everything has been handed on, except a last piece that is held back.
    pub(super) fn is_flushed(&self) -> bool {
        self.is_complete() && self.body.as_ref().is_none_or(|body| body.is_ended() || body.is_held())
    }

    /// Whether the last piece of the response waits for the end of the request's body. After the last piece, some
    /// clients stop reading, miss the window updates and cannot send the rest. After an unsuccessful status they stop
    /// sending anyway.
    fn holds_last(&self) -> bool {
        self.is_uploading && self.held.status().is_success()
    }

    /// Whether only the last piece is left and held back.
    pub(super) fn is_held(&self) -> bool {
        self.is_complete() && (self.last.is_some() || self.body.as_ref().is_some_and(|body| body.is_held()))
    }

    /// Releases the last piece.
    pub(super) fn let_go(&mut self) {
        if let (Some(head), Some(respond)) = (self.last.take(), &mut self.respond) {
            // Fails if the stream is gone: no response is needed then.
            let _ = respond.send_response(head, true);
        }
        if let Some(body) = &mut self.body {
            body.let_go();
        }
    }

    /// Bytes of the body that wait for the client.
    pub(super) fn waiting(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.len())
    }

    /// Bytes of the body that the client's windows have let through.
    pub(super) fn handed_on(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.handed_on())
    }

    /// Drops a head that is held back, so that another response can start. False if the head has been sent.
    pub(super) fn restart(&mut self) -> bool {
        self.progress.restart()
    }

    /// Ready when the client has reset the stream, before or during the body.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None if self.progress.is_head_sent() => Poll::Pending,
            None => self.respond.as_mut().map_or(Poll::Pending, |it| it.poll_reset(cx)),
        }
    }

    /// Resets the stream of a response that breaks off, once everything before is handed on. A reset overtakes
    /// unwritten data, so the connection first gets a turn to write.
    pub(super) fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.has_waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.reset(Reset::InternalError);
        Poll::Ready(())
    }

    /// Resets the stream; nothing more is sent.
    pub(super) fn reset(&mut self, reset: Reset) {
        match (&mut self.body, &mut self.respond) {
            (Some(body), _) => body.reset(reset),
            (None, Some(respond)) => respond.send_reset(reset),
            (None, None) => {}
        }
        self.progress.complete();
    }

    /// Leaves the sent data to the transport, which may end the stream after it.
    pub(super) fn release(&mut self) {
        self.body = None;
        self.respond = None;
    }

    /// Sends a response that opens a tunnel, and returns the tunnel's sending side.
    pub(super) fn open(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
    ) -> Result<Body<R::Body>, SendError> {
        *self.held.status_mut() = StatusCode::OK;
        for (name, value) in fields.iter() {
            let (name, value) = pair(name, value)?;
            add(self.held.headers_mut(), name, value)?;
        }
        self.add_fields(engine, now);
        let respond = self.respond.as_mut().ok_or(SendError::Disconnected)?;
        let sent = respond.send_response(std::mem::take(&mut self.held), false);
        self.progress.complete();
        sent.map(Body::new).map_err(|_| SendError::Disconnected)
    }

    /// Sends `100 Continue`.
    pub(super) fn send_continue(&mut self) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        self.send_informational(response);
    }

    fn send_informational(&mut self, response: Response<()>) {
        if let Some(respond) = &mut self.respond {
            respond.send_informational(response);
        }
    }

    /// Sends `103 Early Hints`.
    pub(super) fn early_hints(&mut self, links: &Fields) -> Result<(), SendError> {
        self.progress.check_early_hints()?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::EARLY_HINTS;
        for (name, value) in links.iter() {
            let (name, value) = pair(name, value)?;
            add(response.headers_mut(), name, value)?;
        }
        self.send_informational(response);
        Ok(())
    }

    /// Begins the response with `head`, which is held back.
    pub(super) fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        self.progress.check_start(head.status)?;
        let status = StatusCode::from_u16(head.status).map_err(|_| SendError::Status(head.status.into()))?;
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
        self.progress.hold(Held { length, unsent: self.is_head || is_bodiless(status) });
        Ok(())
    }

    /// Sends a piece of the body.
    pub(super) fn body(
        &mut self,
        payload: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
    ) -> Result<(), SendError> {
        let length = payload.as_slice().len() as u64;
        self.piece(length, more, engine, now, |body| body.push(payload))
    }

    /// Sends a part of a file as a piece of the body.
    pub(super) fn file(
        &mut self,
        mut file: FileBody,
        more: bool,
        engine: &Engine,
        now: Instant,
    ) -> Result<(), SendError> {
        self.progress.clip(self.held.status().as_u16(), &mut file);
        let length = file.length;
        self.piece(length, more, engine, now, |body| body.push_file(file))
    }

    /// Sends trailer fields after a complete body.
    pub(super) fn trailers(&mut self, fields: &Fields, more: bool) -> Result<(), SendError> {
        self.progress.check_trailers()?;
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
            let held = self.holds_last();
            if let Some(body) = &mut self.body {
                body.end(Some(std::mem::take(&mut self.gathered)), held);
            }
            self.progress.complete();
        }
        Ok(())
    }

    /// Sends a piece of the body through `push`, and the head before the first piece.
    fn piece(
        &mut self,
        length: u64,
        more: bool,
        engine: &Engine,
        now: Instant,
        push: impl FnOnce(&mut Body<R::Body>),
    ) -> Result<(), SendError> {
        if let Some(held) = self.progress.check_piece(length, more)? {
            self.send_head(held, (!more).then_some(length), engine, now)?;
        }
        if let Some(body) = &mut self.body {
            push(body);
        }
        let ended = self.progress.finish_piece(length, more, self.trailers);
        let held = self.holds_last();
        if let (true, false, Some(body)) = (ended, self.trailers, &mut self.body) {
            body.end(None, held);
        }
        Ok(())
    }

    /// Sends the head that is held back, and enters the body. `whole` is the body's length if it comes in one piece.
    fn send_head(
        &mut self,
        held: Held,
        whole: Option<u64>,
        engine: &Engine,
        now: Instant,
    ) -> Result<(), SendError> {
        let whole = whole.filter(|_| !self.trailers && !is_bodiless(self.held.status()));
        if let (None, Some(length)) = (held.length, whole) {
            self.held.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.add_fields(engine, now);
        let unsent = held.unsent || whole == Some(0);
        let mut response = Response::new(());
        *response.status_mut() = self.held.status();
        *response.headers_mut() = std::mem::take(self.held.headers_mut());
        if unsent && self.holds_last() {
            self.last = Some(response);
        } else {
            let respond = self.respond.as_mut().ok_or(SendError::Disconnected)?;
            let sent = respond.send_response(response, unsent);
            let stream = sent.map_err(|_| SendError::Disconnected)?;
            self.body = (!unsent).then(|| Body::new(stream));
        }
        self.progress.enter_body(unsent, held.length.or(whole));
        Ok(())
    }

    /// Adds the server's fields.
    fn add_fields(&mut self, engine: &Engine, now: Instant) {
        let fields = self.held.headers_mut();
        if let (Some(date), false) = (engine.own_fields.date(now), fields.contains_key(DATE)) {
            fields.insert(DATE, date);
        }
        if let (Some(server), false) = (engine.own_fields.server(), fields.contains_key(SERVER)) {
            fields.insert(SERVER, server);
        }
        for (name, value) in engine.own_fields.extra() {
            // Fails only if the application has sent tens of thousands of fields.
            let _ = fields.try_append(name.clone(), value.clone());
        }
    }
}

/// Whether no response with this status has a body.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Adds a field.
fn add(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), SendError> {
    fields.try_append(name, value).map(drop).map_err(|_| SendError::TooManyFields)
}

/// Checks a field and converts it for the transport.
fn pair(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), SendError> {
    let value = check_field(name, value)?;
    let named = HeaderName::from_bytes(name);
    let named = named.map_err(|_| SendError::FieldName(name.escape_ascii().to_string()))?;
    let value =
        HeaderValue::from_bytes(value).map_err(|_| SendError::FieldValue { name: named.to_string() })?;
    Ok((named, value))
}
