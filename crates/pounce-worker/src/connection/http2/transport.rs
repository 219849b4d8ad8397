//! [`Transport`] over the streams of `h2`.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};

use super::super::stream::{Receive, Reset, Respond, SendBody, StreamClosed, Transport};

/// A stream of HTTP/2.
pub(super) struct Http2;

impl Transport for Http2 {
    type Receive = RecvStream;
    type Respond = SendResponse<Bytes>;
}

fn reason(reset: Reset) -> Reason {
    match reset {
        Reset::Cancel => Reason::CANCEL,
        Reset::InternalError => Reason::INTERNAL_ERROR,
    }
}

impl Receive for RecvStream {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamClosed>>> {
        Self::poll_data(self, cx).map(|data| data.map(|data| data.map_err(|_| StreamClosed)))
    }

    fn is_end_stream(&self) -> bool {
        Self::is_end_stream(self)
    }

    fn release_capacity(&mut self, count: usize) {
        // Fails if the stream is closed: there is no capacity to release then.
        let _ = self.flow_control().release_capacity(count);
    }
}

impl Respond for SendResponse<Bytes> {
    type Body = SendStream<Bytes>;

    fn stream_id(&self) -> u64 {
        Self::stream_id(self).as_u32().into()
    }

    fn send_informational(&mut self, response: Response<()>) {
        // Fails if the stream is gone, which is noticed elsewhere.
        let _ = Self::send_informational(self, response);
    }

    fn send_response(&mut self, response: Response<()>, end: bool) -> Result<Self::Body, StreamClosed> {
        Self::send_response(self, response, end).map_err(|_| StreamClosed)
    }

    fn send_reset(&mut self, reset: Reset) {
        Self::send_reset(self, reason(reset));
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll_reset(self, cx).map(drop)
    }
}

impl SendBody for SendStream<Bytes> {
    fn reserve_capacity(&mut self, count: usize) {
        Self::reserve_capacity(self, count);
    }

    fn capacity(&self) -> usize {
        Self::capacity(self)
    }

    fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll_capacity(self, cx).map(drop)
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamClosed> {
        Self::send_data(self, data, end).map_err(|_| StreamClosed)
    }

    fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), StreamClosed> {
        Self::send_trailers(self, trailers).map_err(|_| StreamClosed)
    }

    fn send_reset(&mut self, reset: Reset) {
        Self::send_reset(self, reason(reset));
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll_reset(self, cx).map(drop)
    }
}
