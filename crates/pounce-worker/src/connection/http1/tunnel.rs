//! A connection that carries a WebSocket, or will once the application accepts it (RFC 6455 section 4.2).

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{Fields, Payload, ResponseHead, SendError};

use super::super::websocket::Carrier;
use crate::engine::Engine;
use crate::http1::{Facts, ResponseEncoder, field, status_line};
use crate::output::Output;
use crate::stream::Stream;

/// A connection that is upgraded, or will be once the application accepts.
pub(super) struct Upgraded {
    stream: Stream,
    /// Encodes a response that denies the upgrade.
    encoder: Option<Box<ResponseEncoder>>,
}

impl Upgraded {
    pub(super) fn new(stream: Stream, facts: Facts) -> Self {
        let mut encoder = Box::new(ResponseEncoder::default());
        encoder.begin(facts);
        Self { stream, encoder: Some(encoder) }
    }
}

impl Carrier for Upgraded {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, slices)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }

    fn close(&mut self) {
        self.stream.close();
    }

    fn sent(&self) -> u64 {
        self.stream.sent()
    }

    fn taken(&self) -> i64 {
        self.stream.taken()
    }

    fn accepted_status(&self) -> u16 {
        101
    }

    fn accept(
        &mut self,
        fields: &Fields,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let mut head = Vec::with_capacity(256);
        status_line(&mut head, 101);
        let (mut has_date, mut has_server) = (false, false);
        for (name, value) in fields.iter() {
            has_date |= name == b"date";
            has_server |= name == b"server";
            field(&mut head, name, value);
        }
        engine.own_fields.with_context(now, false, |context| {
            let date = if has_date { b"" } else { context.date };
            let server = if has_server { b"" } else { context.server };
            for lines in [date, server, context.extra, b"\r\n"] {
                head.extend_from_slice(lines);
            }
        });
        output.extend(&head);
        self.encoder = None;
        Ok(())
    }

    fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        let encoder = self.encoder.as_mut();
        encoder.ok_or(SendError::Accepted("websocket.http.response.start"))?.start(head)
    }

    fn body(
        &mut self,
        data: Payload<'_>,
        more: bool,
        engine: &Engine,
        now: Instant,
        output: &mut Output,
    ) -> Result<bool, SendError> {
        let encoder = self.encoder.as_mut().ok_or(SendError::Accepted("websocket.http.response.body"))?;
        engine.own_fields.with_context(now, true, |context| encoder.body(data, more, context, output))?;
        Ok(encoder.is_complete())
    }

    fn is_head_sent(&self) -> bool {
        self.encoder.as_ref().is_some_and(|encoder| encoder.is_head_sent())
    }

    fn restart(&mut self) {
        if let Some(encoder) = &mut self.encoder {
            encoder.restart();
        }
    }
}
