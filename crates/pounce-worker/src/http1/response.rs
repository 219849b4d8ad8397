//! The sending half: an application's answer in, bytes out.
//!
//! One encoder serves the responses of a connection in turn. It holds a response head back until the first piece of
//! the body is known: if that piece is the whole body, the encoder adds `content-length`, and head and body leave in
//! one write.

use pounce_asgi::{Fields, FileBody, HttpVersion, Payload, ResponseHead, SendError};

use super::chunked::is_forbidden_trailer;
use super::encode::{Seen, check_field, chunk_size, content_length, field, status_line, write_fields};
use super::{Facts, Output};
use crate::progress::{Held, Progress};

/// The server's part of a response.
#[derive(Debug, Clone, Copy)]
pub struct ResponseContext<'a> {
    /// The line `date: …` with its CRLF, or nothing.
    pub date: &'a [u8],
    /// The line `server: …` with its CRLF, or nothing.
    pub server: &'a [u8],
    /// Whole lines that the operator adds to every response.
    pub extra: &'a [u8],
    /// Whether the connection must end with this response.
    pub close: bool,
}

/// Writes the responses of one connection.
#[derive(Debug, Default)]
pub struct ResponseEncoder {
    progress: Progress,
    facts: Facts,
    /// Status line and fields of a head that is held back.
    held: Vec<u8>,
    status: u16,
    seen: Seen,
    close: bool,
    trailers: bool,
    /// The body is written in chunks.
    chunked: bool,
}

impl ResponseEncoder {
    /// Prepares for the response to a request.
    pub fn begin(&mut self, facts: Facts) {
        self.progress = Progress::default();
        self.facts = facts;
        self.held.clear();
        self.status = 0;
        self.close = !facts.keep_alive;
        self.trailers = false;
        self.chunked = false;
    }

    /// Whether the head has been written to the output.
    pub fn is_head_sent(&self) -> bool {
        self.progress.is_head_sent()
    }

    /// Whether the response is complete.
    pub fn is_complete(&self) -> bool {
        self.progress.is_complete()
    }

    /// Whether the head has been written and no body may follow it: pieces of a body are dropped.
    pub fn is_unsent(&self) -> bool {
        self.progress.is_unsent()
    }

    /// Whether the connection ends with this response.
    pub fn must_close(&self) -> bool {
        self.close
    }

    /// The status that was sent, once there is one.
    pub fn status(&self) -> Option<u16> {
        self.is_head_sent().then_some(self.status)
    }

    /// Bytes of body sent so far, without their coding.
    pub fn body_sent(&self) -> u64 {
        self.progress.body_sent()
    }

    /// The buffer for heads, to be taken away when idle and given back when needed.
    pub fn held_buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Forgets a head that is held back, so that another may be started.
    pub fn restart(&mut self) -> bool {
        let restarted = self.progress.restart();
        if restarted {
            self.held.clear();
        }
        restarted
    }

    /// Begins the response with `head`, which is held back.
    ///
    /// # Errors
    /// The head is invalid, or not due. Nothing has changed then.
    pub fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        self.progress.check_start(head.status)?;
        self.held.clear();
        status_line(&mut self.held, head.status);
        self.seen = match write_fields(&mut self.held, &head.fields, head.status == 204) {
            Ok(seen) => seen,
            Err(error) => {
                self.held.clear();
                return Err(error);
            }
        };
        self.status = head.status;
        self.close |= self.seen.close;
        self.trailers = head.trailers && self.facts.accepts_trailers;
        let unsent = self.facts.is_head || matches!(head.status, 204 | 304);
        self.progress.hold(Held { length: self.seen.content_length, unsent });
        Ok(())
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    /// The piece is not due or does not fit the declared length. It has not been sent then.
    pub fn body(
        &mut self,
        payload: Payload<'_>,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let length = payload.as_slice().len() as u64;
        self.piece(length, more, context, output, |output| output.push(payload))
    }

    /// Sends a part of a file as a piece of the body.
    ///
    /// # Errors
    /// As [`ResponseEncoder::body`].
    pub fn file(
        &mut self,
        mut file: FileBody,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
    ) -> Result<(), SendError> {
        self.progress.clip(self.status, &mut file);
        let length = file.length;
        self.piece(length, more, context, output, |output| output.push_file(file))
    }

    /// Sends trailer fields after a complete body.
    ///
    /// # Errors
    /// Trailers are not due, or a field is invalid. Nothing has been sent then.
    pub fn trailers(&mut self, fields: &Fields, more: bool, output: &mut Output) -> Result<(), SendError> {
        self.progress.check_trailers()?;
        let mut lines = Vec::new();
        for (name, value) in fields.iter() {
            let value = check_field(name, value)?;
            if is_forbidden_trailer(name) {
                return Err(SendError::TrailerName(name.escape_ascii().to_string()));
            }
            field(&mut lines, name, value);
        }
        output.extend(&lines);
        if !more {
            output.extend(b"\r\n");
            self.progress.complete();
        }
        Ok(())
    }

    /// Sends `103 Early Hints` (RFC 8297). HTTP/1.0 has no interim responses: nothing is sent there.
    ///
    /// # Errors
    /// A response has begun, or a field is invalid.
    pub fn early_hints(&mut self, links: &Fields, output: &mut Output) -> Result<(), SendError> {
        self.progress.check_early_hints()?;
        let mut lines = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
        for (name, value) in links.iter() {
            let value = check_field(name, value)?;
            field(&mut lines, name, value);
        }
        lines.extend_from_slice(b"\r\n");
        if self.facts.version == HttpVersion::Http11 {
            output.extend(&lines);
        }
        Ok(())
    }

    /// Sends a piece of the body that `push` writes, after the head if it is the first.
    fn piece(
        &mut self,
        length: u64,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
        push: impl FnOnce(&mut Output),
    ) -> Result<(), SendError> {
        if let Some(held) = self.progress.check_piece(length, more)? {
            self.end_head(held, (!more).then_some(length), context);
            output.append(&mut self.held);
        }
        if length > 0 && !self.progress.is_unsent() {
            if self.chunked {
                chunk_size(output, length);
            }
            push(output);
            if self.chunked {
                output.extend(b"\r\n");
            }
        }
        let trailers = self.trailers && self.chunked;
        if self.progress.finish_piece(length, more, trailers) && self.chunked {
            output.extend(if trailers { b"0\r\n" } else { b"0\r\n\r\n" });
        }
        Ok(())
    }

    /// Completes the held head with the server's fields, and begins the body, whose length is `whole` if known.
    fn end_head(&mut self, body: Held, whole: Option<u64>, context: ResponseContext<'_>) {
        self.close |= context.close;
        let held = &mut self.held;
        let modern = self.facts.version == HttpVersion::Http11;
        if !self.seen.date {
            held.extend_from_slice(context.date);
        }
        if !self.seen.server {
            held.extend_from_slice(context.server);
        }
        held.extend_from_slice(context.extra);
        let is_told = !self.seen.chunked && !self.trailers && !matches!(self.status, 204 | 304);
        let length = body.length.or(whole.filter(|_| is_told));
        self.chunked = false;
        match length {
            Some(length) if body.length.is_none() => content_length(held, length),
            None if !body.unsent && modern => {
                held.extend_from_slice(b"transfer-encoding: chunked\r\n");
                self.chunked = true;
            }
            None if !body.unsent => self.close = true,
            _ => {}
        }
        self.progress.enter_body(body.unsent, length);
        if self.close {
            held.extend_from_slice(b"connection: close\r\n");
        } else if !modern {
            held.extend_from_slice(b"connection: keep-alive\r\n");
        }
        held.extend_from_slice(b"\r\n");
    }
}
