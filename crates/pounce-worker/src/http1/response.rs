//! The sending half: what an application answers in, bytes out.
//!
//! One encoder serves the responses of a connection in turn. It holds a response head back until the
//! first piece of the body is known: then it can say `content-length` where that piece is all there is,
//! and head and body leave in one write.

use pounce_asgi::{Fields, FileBody, HttpVersion, Payload, ResponseHead, SendError};

use super::chunked::is_forbidden_trailer;
use super::encode::{check_field, chunk_size, content_length, field, status_line, write_fields};
use super::{Facts, Output};

/// What every response needs to know beside what the application says.
#[derive(Debug, Clone, Copy)]
pub struct ResponseContext<'a> {
    /// The line `date: …` with its CRLF, or nothing.
    pub date: &'a [u8],
    /// The line `server: …` with its CRLF, or nothing.
    pub server: &'a [u8],
    /// Whole lines that the operator adds to every response.
    pub extra: &'a [u8],
    /// Whether the connection shall end with this response.
    pub close: bool,
}

/// Writes the responses of one connection.
#[derive(Debug, Default)]
pub struct ResponseEncoder {
    phase: Phase,
    facts: Facts,
    /// Status line and fields of a head that is held back.
    held: Vec<u8>,
    status: u16,
    close: bool,
    trailers: bool,
    /// The length is not to be told even where it is known.
    chunked: bool,
    body_sent: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No response head yet.
    #[default]
    Waiting,
    /// A head is held back.
    Held {
        length: Option<u64>,
        has_date: bool,
        has_server: bool,
    },
    /// In a body of a known length.
    Length {
        left: u64,
    },
    /// In a chunked body.
    Chunked,
    /// In a body that ends with the connection (HTTP/1.0).
    UntilClose,
    /// In a body that is not sent: HEAD, 204, 304.
    Unsent,
    /// The chunked body is complete and trailers are still to come.
    Trailers,
    Complete,
}

impl ResponseEncoder {
    /// Prepares for the response to a request.
    pub fn begin(&mut self, facts: Facts) {
        self.phase = Phase::Waiting;
        self.facts = facts;
        self.held.clear();
        self.status = 0;
        self.close = !facts.keep_alive;
        self.trailers = false;
        self.chunked = false;
        self.body_sent = 0;
    }

    /// Whether a response was begun, sent or held back.
    pub fn is_started(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// Whether the head has been written to the output.
    pub fn is_head_sent(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Held { .. })
    }

    /// Whether the response is complete.
    pub fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    /// Whether the head has been written and no body follows it: what is sent of one goes nowhere.
    pub fn is_unsent(&self) -> bool {
        self.phase == Phase::Unsent
    }

    /// Whether the connection ends with this response.
    pub fn must_close(&self) -> bool {
        self.close
    }

    /// The status, 0 before there is one.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Bytes of body sent so far, without their coding.
    pub fn body_sent(&self) -> u64 {
        self.body_sent
    }

    /// The buffer for heads, to be taken when idle and given when needed.
    pub fn held_buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Forgets a head that is held back, so that another may be started.
    pub fn restart(&mut self) -> bool {
        if self.is_head_sent() {
            return false;
        }
        self.held.clear();
        self.phase = Phase::Waiting;
        true
    }

    /// Begins the response with `head`, which is held back.
    ///
    /// # Errors
    /// The head is not valid, or not due. Nothing has changed then.
    pub fn start(&mut self, head: &ResponseHead) -> Result<(), SendError> {
        match self.phase {
            Phase::Waiting => {}
            Phase::Complete => return Err(SendError::AfterEnd("http.response.start")),
            _ => return Err(SendError::StartedTwice),
        }
        if !(200..=999).contains(&head.status) {
            return Err(SendError::Status(head.status.into()));
        }
        self.held.clear();
        status_line(&mut self.held, head.status);
        let seen = match write_fields(&mut self.held, &head.fields, head.status == 204) {
            Ok(seen) => seen,
            Err(error) => {
                self.held.clear();
                return Err(error);
            }
        };
        self.status = head.status;
        self.close |= seen.close;
        self.trailers = head.trailers && self.facts.accepts_trailers;
        self.chunked = self.trailers || seen.chunked;
        self.phase =
            Phase::Held { length: seen.content_length, has_date: seen.date, has_server: seen.server };
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
        self.admit(length, more, context, output)?;
        match self.phase {
            Phase::Length { .. } | Phase::UntilClose => output.push(payload),
            Phase::Chunked if length > 0 => {
                chunk_size(output, length);
                output.push(payload);
                output.extend(b"\r\n");
            }
            _ => {}
        }
        self.finish_piece(length, more, output);
        Ok(())
    }

    /// Sends a part of a file as a piece of the body.
    ///
    /// # Errors
    /// As [`ResponseEncoder::body`].
    pub fn file(
        &mut self,
        file: FileBody,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
    ) -> Result<(), SendError> {
        let length = file.length;
        self.admit(length, more, context, output)?;
        match self.phase {
            Phase::Length { .. } | Phase::UntilClose if length > 0 => output.push_file(file),
            Phase::Chunked if length > 0 => {
                chunk_size(output, length);
                output.push_file(file);
                output.extend(b"\r\n");
            }
            _ => {}
        }
        self.finish_piece(length, more, output);
        Ok(())
    }

    /// Sends trailer fields behind a complete body.
    ///
    /// # Errors
    /// Trailers are not due, or a field is not valid. Nothing has been sent then.
    pub fn trailers(&mut self, fields: &Fields, more: bool, output: &mut Output) -> Result<(), SendError> {
        match self.phase {
            Phase::Trailers => {}
            Phase::Waiting => return Err(SendError::BeforeStart("http.response.trailers")),
            Phase::Complete => return Err(SendError::AfterEnd("http.response.trailers")),
            _ => return Err(SendError::Trailers),
        }
        let mut lines = Vec::new();
        for (name, value) in fields.iter() {
            check_field(name, value)?;
            if is_forbidden_trailer(name) {
                return Err(SendError::TrailerName(name.escape_ascii().to_string()));
            }
            field(&mut lines, name, value);
        }
        output.extend(&lines);
        if !more {
            output.extend(b"\r\n");
            self.phase = Phase::Complete;
        }
        Ok(())
    }

    /// Sends `103 Early Hints` (RFC 8297). HTTP/1.0 has no interim responses: nothing is sent there.
    ///
    /// # Errors
    /// A response was begun, or a field is not valid.
    pub fn early_hints(&mut self, links: &Fields, output: &mut Output) -> Result<(), SendError> {
        if self.phase != Phase::Waiting {
            return Err(SendError::AfterStart("http.response.early_hint"));
        }
        let mut lines = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
        for (name, value) in links.iter() {
            check_field(name, value)?;
            field(&mut lines, name, value);
        }
        lines.extend_from_slice(b"\r\n");
        if self.facts.version == HttpVersion::Http11 {
            output.extend(&lines);
        }
        Ok(())
    }

    /// Writes a whole response of the server's own, in plain text, after which the connection closes.
    pub fn refuse(status: u16, detail: &str, context: ResponseContext<'_>, out: &mut Vec<u8>) {
        status_line(out, status);
        field(out, b"content-type", b"text/plain; charset=utf-8");
        content_length(out, detail.len() as u64 + 1);
        if status == 503 {
            field(out, b"retry-after", b"1");
        }
        for lines in [context.date, context.server, context.extra, b"connection: close\r\n\r\n"] {
            out.extend_from_slice(lines);
        }
        out.extend_from_slice(detail.as_bytes());
        out.push(b'\n');
    }

    /// Checks whether a piece of this length may come now, and writes the head if it is the first.
    fn admit(
        &mut self,
        length: u64,
        more: bool,
        context: ResponseContext<'_>,
        output: &mut Output,
    ) -> Result<(), SendError> {
        match self.phase {
            Phase::Waiting => Err(SendError::BeforeStart("http.response.body")),
            Phase::Complete => Err(SendError::AfterEnd("http.response.body")),
            Phase::Trailers => Err(SendError::BodyAfterEnd),
            Phase::Held { length: declared, has_date, has_server } => {
                let unsent = self.facts.is_head || matches!(self.status, 204 | 304);
                if let Some(declared) = declared.filter(|_| !unsent) {
                    check_length(declared, declared, length, more)?;
                }
                self.send_head(declared, unsent, (!more).then_some(length), has_date, has_server, context);
                output.append(&mut self.held);
                Ok(())
            }
            Phase::Length { left } => check_length(self.body_sent + left, left, length, more),
            Phase::Chunked | Phase::UntilClose | Phase::Unsent => Ok(()),
        }
    }

    /// Ends the head that is held back with what is the server's to say, and enters the body.
    fn send_head(
        &mut self,
        declared: Option<u64>,
        unsent: bool,
        whole: Option<u64>,
        has_date: bool,
        has_server: bool,
        context: ResponseContext<'_>,
    ) {
        self.close |= context.close;
        let held = &mut self.held;
        let modern = self.facts.version == HttpVersion::Http11;
        if !has_date {
            held.extend_from_slice(context.date);
        }
        if !has_server {
            held.extend_from_slice(context.server);
        }
        held.extend_from_slice(context.extra);
        let known = declared.or(whole.filter(|_| !self.chunked && !matches!(self.status, 204 | 304)));
        self.phase = if unsent {
            if declared.is_none()
                && let Some(length) = known
            {
                content_length(held, length);
            }
            Phase::Unsent
        } else if let Some(left) = known {
            if declared.is_none() {
                content_length(held, left);
            }
            Phase::Length { left }
        } else if modern {
            held.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Phase::Chunked
        } else {
            self.close = true;
            Phase::UntilClose
        };
        if self.close {
            held.extend_from_slice(b"connection: close\r\n");
        } else if !modern {
            held.extend_from_slice(b"connection: keep-alive\r\n");
        }
        held.extend_from_slice(b"\r\n");
    }

    /// Accounts for a piece that was sent, and ends the body behind the last one.
    fn finish_piece(&mut self, length: u64, more: bool, output: &mut Output) {
        if self.phase != Phase::Unsent {
            self.body_sent += length;
        }
        if let Phase::Length { left } = &mut self.phase {
            *left -= length;
        }
        if more {
            return;
        }
        self.phase = match self.phase {
            Phase::Chunked => {
                output.extend(if self.trailers { b"0\r\n" } else { b"0\r\n\r\n" });
                if self.trailers { Phase::Trailers } else { Phase::Complete }
            }
            _ => Phase::Complete,
        };
    }
}

/// Whether a piece of `length` fits into what is `left` of `declared`.
pub(crate) fn check_length(declared: u64, left: u64, length: u64, more: bool) -> Result<(), SendError> {
    if length > left {
        return Err(SendError::BodyTooLong { declared });
    }
    if !more && length < left {
        return Err(SendError::BodyTooShort { missing: left - length });
    }
    Ok(())
}
