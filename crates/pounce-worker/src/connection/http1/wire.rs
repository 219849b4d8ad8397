//! The two sides of an exchange over HTTP/1.1: [`Wire`] for [`Http1Link`].

use std::cell::RefMut;
use std::task::{Context, Poll};

use pounce_asgi::{ExchangeId, Fields, FileBody, Inbound, Payload, ResponseHead, SendError, Wire};

use super::super::HIGH_WATER;
use super::link::{Http1Link, Http1State};
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
            state.receiving = false;
        }
    }

    fn poll_ready(&self, id: ExchangeId, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let mut state = self.state();
        if state.gone {
            return Poll::Ready(Err(SendError::Disconnected));
        }
        let limit = if state.sending { HIGH_WATER / 2 } else { HIGH_WATER };
        if state.exchange != id || state.output.len() <= limit {
            state.sending = false;
            return Poll::Ready(Ok(()));
        }
        state.sending = true;
        Poll::Pending
    }

    fn start(&self, id: ExchangeId, head: &ResponseHead) -> Result<(), SendError> {
        let mut state = self.admit(id, "http.response.start")?;
        let state = &mut *state;
        let held = state.encoder.held_buffer();
        if held.capacity() == 0 {
            *held = self.engine.buffers.take_write();
        }
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
        state.exchange == id && !state.gone && state.encoder.restart()
    }
}

impl Http1Link {
    /// Sees to it that a piece of the body is there. Ready with false when nothing more will come.
    fn poll_inbound(&self, state: &mut Http1State, id: ExchangeId, cx: &mut Context<'_>) -> Poll<bool> {
        if state.exchange != id || state.gone || state.encoder.is_complete() {
            return Poll::Ready(false);
        }
        let waiting = std::mem::take(&mut state.receiving);
        while !state.body_taken {
            match state.prepare_body() {
                Ok(true) => return Poll::Ready(true),
                Ok(false) => {}
                Err(fault) => {
                    self.refuse(state, fault);
                    self.wake();
                    return Poll::Ready(false);
                }
            }
            // Never in the middle of a response (RFC 9110 section 15.2).
            if !state.encoder.is_head_sent() && std::mem::take(&mut state.continue_due) {
                state.output.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
                self.write(state);
            }
            match state.poll_fill(&self.engine, cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    // The body can never be complete: nothing that is answered now would be right.
                    state.lose();
                    self.wake();
                    return Poll::Ready(false);
                }
                Poll::Pending => break,
            }
        }
        if state.body_taken && state.end_of_input {
            return Poll::Ready(false);
        }
        state.receiving = true;
        if !waiting {
            // The task has to learn that it shall read.
            self.wake();
        }
        Poll::Pending
    }

    /// The state, if the exchange may still send.
    fn admit(&self, id: ExchangeId, event: &'static str) -> Result<RefMut<'_, Http1State>, SendError> {
        let state = self.state();
        if state.exchange == id && state.gone {
            return Err(SendError::Disconnected);
        }
        if state.exchange != id || state.encoder.is_complete() {
            return Err(SendError::AfterEnd(event));
        }
        Ok(state)
    }

    /// Sends a piece of the body by way of `encode`.
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

    /// Has what was sent written: at the end of the turn, or at once where much waits.
    fn sent(&self, mut state: RefMut<'_, Http1State>) {
        if state.output.len() > HIGH_WATER {
            self.write(&mut state);
        }
        if state.encoder.is_head_sent() {
            let state = &mut *state;
            state.observation.head(&self.engine, state.encoder.status());
        }
        let has_output = !state.output.is_empty();
        // The task handles a complete response, unless it is being polled: the next request, the close, or the
        // disconnect that somebody waits for.
        let wakes = state.encoder.is_complete() && !self.polling.get();
        drop(state);
        if has_output {
            self.write_soon();
        }
        if wakes {
            self.wake();
        }
    }
}
