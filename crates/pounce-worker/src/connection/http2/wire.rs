//! The two sides of an exchange over HTTP/2: [`Wire`] for [`StreamLink`].

use std::cell::RefMut;
use std::task::{Context, Poll};

use pounce_asgi::{ExchangeId, Fields, FileBody, Inbound, Payload, ResponseHead, SendError, Wire};

use super::super::HIGH_WATER;
use super::stream::{StreamLink, StreamState};

impl Wire for StreamLink {
    fn poll_receive(
        &self,
        _id: ExchangeId,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Poll<Inbound> {
        let state = &mut *self.state();
        self.poll_inbound(state, cx).map(|there| {
            if !there {
                return Inbound::Disconnect;
            }
            Inbound::Body { more: state.take_piece(take) }
        })
    }

    fn poll_receivable(&self, _id: ExchangeId, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inbound(&mut self.state(), cx).map(drop)
    }

    fn stop_receiving(&self, _id: ExchangeId) {
        self.state().receiving = false;
    }

    fn poll_ready(&self, _id: ExchangeId, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let state = &mut *self.state();
        if state.gone {
            return Poll::Ready(Err(SendError::Disconnected));
        }
        let limit = if state.sending { HIGH_WATER / 2 } else { HIGH_WATER };
        state.sending = state.responder.waiting() > limit;
        if state.sending { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start(&self, _id: ExchangeId, head: &ResponseHead) -> Result<(), SendError> {
        let state = &mut *self.admit("http.response.start")?;
        state.responder.start(head)?;
        if self.engine.needs_response_fields {
            state.response_fields.clone_from(&head.fields);
        }
        Ok(())
    }

    fn body(&self, _id: ExchangeId, data: Payload<'_>, more: bool) -> Result<(), SendError> {
        let state = &mut *self.admit("http.response.body")?;
        state.responder.body(data, more, &self.engine, self.now.get())?;
        self.sent(state);
        Ok(())
    }

    fn file(&self, _id: ExchangeId, file: FileBody, more: bool) -> Result<(), SendError> {
        let state = &mut *self.admit("http.response.body")?;
        state.responder.file(file, more, &self.engine, self.now.get())?;
        self.sent(state);
        Ok(())
    }

    fn trailers(&self, _id: ExchangeId, fields: &Fields, more: bool) -> Result<(), SendError> {
        let state = &mut *self.admit("http.response.trailers")?;
        state.responder.trailers(fields, more)?;
        self.sent(state);
        Ok(())
    }

    fn early_hints(&self, _id: ExchangeId, links: &Fields) -> Result<(), SendError> {
        self.admit("http.response.early_hint")?.responder.early_hints(links)
    }

    fn restart(&self, _id: ExchangeId) -> bool {
        let mut state = self.state();
        !state.gone && state.responder.restart()
    }
}

impl StreamLink {
    /// Sees to it that a piece of the body is there. Ready with false when nothing more will come.
    fn poll_inbound(&self, state: &mut StreamState, cx: &mut Context<'_>) -> Poll<bool> {
        if state.gone || state.responder.is_complete() {
            return Poll::Ready(false);
        }
        let waiting = std::mem::take(&mut state.receiving);
        if state.body_taken {
            if state.responder.poll_reset(cx).is_ready() {
                state.lose();
                return Poll::Ready(false);
            }
        } else {
            match state.poll_piece(self.engine.settings.http.limits.body, cx) {
                Poll::Ready(Ok(there)) => return Poll::Ready(there),
                Poll::Ready(Err(fault)) => {
                    self.refuse(state, fault);
                    self.sent(state);
                    return Poll::Ready(false);
                }
                Poll::Pending => {}
            }
            // Never in the middle of a response (RFC 9110 section 15.2).
            if !state.responder.is_head_sent() && std::mem::take(&mut state.continue_due) {
                state.responder.send_continue();
            }
        }
        state.receiving = true;
        if !waiting {
            self.wake();
        }
        Poll::Pending
    }

    /// The state, if the exchange may still send.
    fn admit(&self, event: &'static str) -> Result<RefMut<'_, StreamState>, SendError> {
        let mut state = self.state();
        if state.gone || state.refused {
            return Err(SendError::Disconnected);
        }
        if state.responder.is_complete() {
            return Err(SendError::AfterEnd(event));
        }
        state.note_upload();
        Ok(state)
    }

    /// Hands on what was sent, as far as the client lets it; the task sees to the rest and to the end.
    fn sent(&self, state: &mut StreamState) {
        if state.responder.is_head_sent() {
            state.observation.head(&self.engine, state.responder.status());
        }
        state.pump();
        if state.gone || state.responder.waiting() > 0 || state.responder.is_complete() {
            self.wake();
        }
    }
}
