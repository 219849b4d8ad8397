//! The two sides of an exchange on a stream: [`Wire`] for [`StreamLink`].

use std::cell::RefMut;
use std::task::{Context, Poll};

use pounce_asgi::{ExchangeId, Fields, FileBody, Inbound, Payload, ResponseHead, SendError, Wire};

use super::link::{Fate, StreamLink, StreamState};
use super::transport::Transport;

impl<T: Transport> Wire for StreamLink<T> {
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
            Inbound::Body { more: state.body.take_piece(take) }
        })
    }

    fn poll_receivable(&self, _id: ExchangeId, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_inbound(&mut self.state(), cx).map(drop)
    }

    fn stop_receiving(&self, _id: ExchangeId) {
        self.state().waits.take_receive();
    }

    fn poll_ready(&self, _id: ExchangeId, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let state = &mut *self.state();
        if state.is_gone() {
            return Poll::Ready(Err(SendError::Disconnected));
        }
        state.waits.poll_send(state.responder.waiting()).map(Ok)
    }

    fn start(&self, _id: ExchangeId, head: &mut ResponseHead) -> Result<(), SendError> {
        let state = &mut *self.admit("http.response.start")?;
        state.observation.dress(&self.engine, head);
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
        !state.is_gone() && state.responder.restart()
    }
}

impl<T: Transport> StreamLink<T> {
    /// Prepares a piece of the body. Ready with false when no more will come.
    fn poll_inbound(&self, state: &mut StreamState<T>, cx: &mut Context<'_>) -> Poll<bool> {
        if state.is_gone() || state.responder.is_complete() {
            return Poll::Ready(false);
        }
        let waited = state.waits.take_receive();
        if state.body.is_taken() {
            if state.responder.poll_reset(cx).is_ready() {
                state.lose();
                return Poll::Ready(false);
            }
        } else {
            match state.body.poll_piece(self.engine.settings.http.limits.body, cx) {
                Poll::Ready(Ok(true)) => return Poll::Ready(true),
                Poll::Ready(Ok(false)) => {
                    state.lose();
                    return Poll::Ready(false);
                }
                Poll::Ready(Err(fault)) => {
                    self.refuse(state, fault);
                    self.sent(state);
                    return Poll::Ready(false);
                }
                Poll::Pending => {}
            }
            // Never in the middle of a response (RFC 9110 section 15.2).
            if !state.responder.is_head_sent() && state.body.ask() {
                state.responder.send_continue();
            }
        }
        state.waits.receive();
        if !waited {
            self.waker.wake();
        }
        Poll::Pending
    }

    /// The state, if the exchange may still send.
    fn admit(&self, event: &'static str) -> Result<RefMut<'_, StreamState<T>>, SendError> {
        let mut state = self.state();
        if matches!(state.fate, Fate::Gone | Fate::Refused) {
            return Err(SendError::Disconnected);
        }
        if state.responder.is_complete() {
            return Err(SendError::AfterEnd(event));
        }
        state.note_upload();
        Ok(state)
    }

    /// Hands on new data as far as the client's windows allow; the task handles the rest and the end.
    fn sent(&self, state: &mut StreamState<T>) {
        if state.responder.is_head_sent() {
            state.observation.head(&self.engine, state.responder.status());
        }
        state.pump();
        if state.is_gone() || state.responder.waiting() > 0 || state.responder.is_complete() {
            self.waker.wake();
        }
    }
}
