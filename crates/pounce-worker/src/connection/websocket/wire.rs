//! The two sides of a WebSocket: [`SocketWire`] for [`WebSocketLink`].

use std::task::{Context, Poll};

use pounce_asgi::{Accept, MessageKind, Payload, ResponseHead, SendError, SocketEvent, SocketWire};
use pounce_metrics::{Direction, WorkerMetrics};

use super::link::WebSocketLink;
use super::phase::WebSocketPhase;
use super::state::WebSocketState;
use crate::websocket::{MAX_CLOSE_REASON, is_close_code};

impl SocketWire for WebSocketLink {
    fn poll_receive(&self, _cx: &mut Context<'_>, take: &mut dyn FnMut(SocketEvent<'_>)) -> Poll<()> {
        let state = &mut *self.state();
        if self.poll_event(state).is_pending() {
            return Poll::Pending;
        }
        if std::mem::take(&mut state.connect_due) {
            take(SocketEvent::Connect);
            return Poll::Ready(());
        }
        let taken = state.take_message(&self.engine.codecs, &mut |kind, bytes| match kind {
            MessageKind::Binary => take(SocketEvent::Binary(bytes)),
            // The receiver has checked that a text is UTF-8.
            MessageKind::Text => take(SocketEvent::Text(std::str::from_utf8(bytes).unwrap_or_default())),
        });
        if taken {
            self.engine.count_metric(|metrics| metrics.message(Direction::Received));
            // The queue may have room now.
            self.waker.wake();
            return Poll::Ready(());
        }
        if state.phase == WebSocketPhase::Leaving {
            // `take_message` may just have ended the WebSocket.
            self.waker.wake();
        }
        if let Some(end) = &state.end
            && !std::mem::replace(&mut state.end_taken, true)
        {
            take(SocketEvent::Disconnect { code: end.code, reason: &end.reason });
        }
        Poll::Ready(())
    }

    fn poll_receivable(&self, _cx: &mut Context<'_>) -> Poll<()> {
        self.poll_event(&mut self.state())
    }

    fn stop_receiving(&self) {
        let mut state = self.state();
        state.waits.take_receive();
        state.pick_up();
    }

    fn poll_ready(&self, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let state = &mut *self.state();
        if state.phase == WebSocketPhase::Gone {
            return Poll::Ready(Err(SendError::Disconnected));
        }
        let unwritten = state.waiting();
        state.waits.poll_send(unwritten).map(Ok)
    }

    fn accept(&self, accept: &Accept) -> Result<(), SendError> {
        let state = &mut *self.state();
        match state.phase {
            WebSocketPhase::Connecting => {}
            WebSocketPhase::Open => return Err(SendError::Accepted("websocket.accept")),
            phase => return Err(ended(phase, state, "websocket.accept")),
        }
        let Some(request) = &state.request else { return Err(SendError::Accepted("websocket.accept")) };
        let fields = request.response_fields(accept)?;
        state.prepare_output(&self.engine);
        state.carrier.accept(&fields, &self.engine, self.now.get(), &mut state.output)?;
        state.status = Some(state.carrier.accepted_status());
        state.request = None;
        if self.engine.needs_response_fields {
            state.response_head.fields = fields;
        }
        state.phase = WebSocketPhase::Open;
        state.is_accepted = true;
        self.engine.count_metric(WorkerMetrics::websocket_opened);
        self.waker.wake();
        Ok(())
    }

    fn send(&self, kind: MessageKind, data: Payload<'_>) -> Result<(), SendError> {
        let mut guard = self.state();
        let state = &mut *guard;
        match state.phase {
            WebSocketPhase::Open => {}
            WebSocketPhase::Connecting => return Err(SendError::NotAccepted("websocket.send")),
            phase => return Err(ended(phase, state, "websocket.send")),
        }
        state.prepare_output(&self.engine);
        state.sent += data.as_slice().len() as u64;
        state.sender.message(kind, data, &mut state.output);
        self.engine.count_metric(|metrics| metrics.message(Direction::Sent));
        drop(guard);
        self.write_soon();
        Ok(())
    }

    fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        let state = &mut *self.state();
        if !is_close_code(code) {
            return Err(SendError::CloseCode(code.into()));
        }
        if reason.len() > MAX_CLOSE_REASON {
            return Err(SendError::CloseReason(reason.len()));
        }
        match state.phase {
            WebSocketPhase::Open => state.close(code, reason),
            WebSocketPhase::Connecting => state.deny(&self.engine, 403, "Forbidden", self.now.get()),
            phase => return Err(ended(phase, state, "websocket.close")),
        }
        state.ended_by_application = true;
        self.waker.wake();
        Ok(())
    }

    fn start(&self, head: &ResponseHead) -> Result<(), SendError> {
        let state = &mut *self.state();
        match state.phase {
            WebSocketPhase::Connecting => {}
            WebSocketPhase::Open => return Err(SendError::Accepted("websocket.http.response.start")),
            WebSocketPhase::Denying => return Err(SendError::StartedTwice),
            phase => return Err(ended(phase, state, "websocket.http.response.start")),
        }
        state.carrier.start(head)?;
        state.response_head.status = head.status;
        if self.engine.needs_response_fields {
            state.response_head.fields.clone_from(&head.fields);
        }
        state.ended_by_application = true;
        state.phase = WebSocketPhase::Denying;
        Ok(())
    }

    fn body(&self, data: Payload<'_>, more: bool) -> Result<(), SendError> {
        let state = &mut *self.state();
        match state.phase {
            WebSocketPhase::Denying => {}
            WebSocketPhase::Connecting => return Err(SendError::BeforeStart("websocket.http.response.body")),
            WebSocketPhase::Open => return Err(SendError::Accepted("websocket.http.response.body")),
            phase => return Err(ended(phase, state, "websocket.http.response.body")),
        }
        let length = data.as_slice().len() as u64;
        let (engine, now) = (&self.engine, self.now.get());
        let complete = state.carrier.body(data, more, engine, now, &mut state.output)?;
        state.status = Some(state.response_head.status);
        state.sent += length;
        if complete {
            state.denied();
        }
        self.waker.wake();
        Ok(())
    }
}

impl WebSocketLink {
    /// Ready when there is an event.
    fn poll_event(&self, state: &mut WebSocketState) -> Poll<()> {
        let is_new = state.waits.receive();
        if !state.has_event() && state.phase == WebSocketPhase::Open {
            state.parse();
            if !state.output.is_empty() || state.phase != WebSocketPhase::Open {
                self.waker.wake();
            }
        }
        if state.has_event() {
            state.waits.take_receive();
            return Poll::Ready(());
        }
        if is_new {
            // The task must start to read.
            self.waker.wake();
        }
        Poll::Pending
    }
}

/// The error of sending after the end, which depends on whether the application caused the end.
fn ended(phase: WebSocketPhase, state: &WebSocketState, event: &'static str) -> SendError {
    match phase {
        WebSocketPhase::Gone => SendError::Disconnected,
        _ if !state.ended_by_application => SendError::Disconnected,
        _ => SendError::AfterEnd(event),
    }
}
