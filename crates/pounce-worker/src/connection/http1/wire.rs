//! The two sides of an exchange over HTTP/1.1: [`Wire`] for [`Http1Link`].

use std::cell::RefMut;
use std::task::{Context, Poll};

use pounce_asgi::{ExchangeId, Fields, FileBody, Inbound, Payload, ResponseHead, SendError, Wire};

use super::super::HIGH_WATER;
use super::super::body_phase::BodyPhase;
use super::link::Http1Link;
use super::state::Http1State;
use crate::engine::WorkerPhase;

impl Wire for Http1Link {
    fn poll_receive(
        &self,
        id: ExchangeId,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Poll<Inbound> {
        let state = &mut *self.state();
        self.poll_inbound(state, id, cx).map(|there| {
            if !there {
                state.disconnect_told = state.end_of_input;
                return Inbound::Disconnect;
            }
            Inbound::Body { more: state.take_body(take) }
        })
    }

    fn poll_receivable(&self, id: ExchangeId, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inbound(&mut self.state(), id, cx).map(drop)
    }

    fn stop_receiving(&self, id: ExchangeId) {
        let mut state = self.state();
        if state.exchange == id {
            state.waits.take_receive();
        }
    }

    fn poll_ready(&self, id: ExchangeId, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let mut state = self.state();
        if state.is_gone() {
            return Poll::Ready(Err(SendError::Disconnected));
        }
        let unwritten = if state.exchange == id { state.output.len() } else { 0 };
        state.waits.poll_send(unwritten).map(Ok)
    }

    fn start(&self, id: ExchangeId, head: &mut ResponseHead) -> Result<(), SendError> {
        let mut state = self.admit(id, "http.response.start")?;
        let state = &mut *state;
        let held = state.encoder.held_buffer();
        if held.capacity() == 0 {
            *held = self.engine.buffers.take_write();
        }
        state.observation.dress(&self.engine, head);
        state.encoder.start(head)?;
        if self.engine.needs_response_fields {
            state.response_fields.clone_from(&head.fields);
        }
        Ok(())
    }

    fn body(&self, id: ExchangeId, data: Payload<'_>, more: bool) -> Result<(), SendError> {
        self.send_body(id, more, |state, context| state.encoder.body(data, more, context, &mut state.output))
    }

    fn file(&self, id: ExchangeId, file: FileBody, more: bool) -> Result<(), SendError> {
        self.send_body(id, more, |state, context| state.encoder.file(file, more, context, &mut state.output))
    }

    fn trailers(&self, id: ExchangeId, fields: &Fields, more: bool) -> Result<(), SendError> {
        let mut admitted = self.admit(id, "http.response.trailers")?;
        let state = &mut *admitted;
        state.encoder.trailers(fields, more, &mut state.output)?;
        self.sent(admitted);
        Ok(())
    }

    fn early_hints(&self, id: ExchangeId, links: &Fields) -> Result<(), SendError> {
        let mut admitted = self.admit(id, "http.response.early_hint")?;
        let state = &mut *admitted;
        state.encoder.early_hints(links, &mut state.output)?;
        self.sent(admitted);
        Ok(())
    }

    fn restart(&self, id: ExchangeId) -> bool {
        let mut state = self.state();
        state.exchange == id && !state.is_gone() && state.encoder.restart()
    }
}

impl Http1Link {
    /// Prepares a piece of the body. Ready with false when no more will come.
    fn poll_inbound(&self, state: &mut Http1State, id: ExchangeId, cx: &mut Context<'_>) -> Poll<bool> {
        if state.exchange != id || state.is_gone() || state.encoder.is_complete() {
            return Poll::Ready(false);
        }
        let waited = state.waits.take_receive();
        while state.body != BodyPhase::Taken {
            match state.prepare_body() {
                Ok(true) => return Poll::Ready(true),
                Ok(false) => {}
                Err(fault) => {
                    self.refuse(state, fault);
                    self.waker.wake();
                    return Poll::Ready(false);
                }
            }
            // Never in the middle of a response (RFC 9110 section 15.2).
            if !state.encoder.is_head_sent() && state.body.ask() {
                state.output.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                self.write(state);
            }
            match state.poll_fill(&self.engine, cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    // The body is incomplete for good: no response would be right.
                    state.lose();
                    self.waker.wake();
                    return Poll::Ready(false);
                }
                Poll::Pending => break,
            }
        }
        if state.body == BodyPhase::Taken && state.end_of_input {
            return Poll::Ready(false);
        }
        state.waits.receive();
        if !waited {
            // The task must start to read.
            self.waker.wake();
        }
        Poll::Pending
    }

    /// The state, if the exchange may still send.
    fn admit(&self, id: ExchangeId, event: &'static str) -> Result<RefMut<'_, Http1State>, SendError> {
        let state = self.state();
        if state.exchange == id && state.is_gone() {
            return Err(SendError::Disconnected);
        }
        if state.exchange != id || state.encoder.is_complete() {
            return Err(SendError::AfterEnd(event));
        }
        Ok(state)
    }

    /// Sends a piece of the body, encoded by `encode`.
    fn send_body(
        &self,
        id: ExchangeId,
        more: bool,
        encode: impl FnOnce(&mut Http1State, crate::http1::ResponseContext<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut admitted = self.admit(id, "http.response.body")?;
        let state = &mut *admitted;
        let close = self.engine.phase() != WorkerPhase::Serving || !more && state.body_costs_connection();
        self.engine.own_fields.with_context(self.now.get(), close, |context| encode(state, context))?;
        self.sent(admitted);
        Ok(())
    }

    /// Schedules the write of new output for the end of the turn; writes at once if much waits.
    fn sent(&self, mut state: RefMut<'_, Http1State>) {
        if state.output.len() > HIGH_WATER {
            self.write(&mut state);
        }
        if state.encoder.is_head_sent() {
            let state = &mut *state;
            state.observation.head(&self.engine, state.encoder.status());
        }
        let has_output = !state.output.is_empty();
        // After a complete response the task goes on with the next request, the close, or an awaited disconnect event.
        let wakes = state.encoder.is_complete();
        drop(state);
        if has_output {
            self.write_soon();
        }
        if wakes {
            self.waker.wake();
        }
    }
}
