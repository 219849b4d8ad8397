//! Reading and writing the socket.

use std::io;
use std::task::{Context, Poll};

use super::state::Http1State;
use crate::engine::Engine;
use crate::output::broken_file;

/// How many bytes are read before the application asks for them.
const READ_AHEAD: usize = 16 * 1024;

impl Http1State {
    /// Reads arrived bytes into the input. Ready with false at the end of the stream or on an error.
    pub(super) fn poll_fill(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<bool> {
        if self.end_of_input {
            return Poll::Ready(false);
        }
        match self.input.poll_fill(engine, |room| self.stream.poll_read(cx, room)) {
            Poll::Ready(Ok(count @ 1..)) => {
                self.received += count as u64;
                Poll::Ready(true)
            }
            Poll::Ready(Ok(0)) => {
                self.end_of_input = true;
                Poll::Ready(false)
            }
            Poll::Ready(Err(_)) => {
                self.end_of_input = true;
                self.lose();
                Poll::Ready(false)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads ahead of the application, within a limit, to notice when the client leaves. False when the client sends
    /// nothing more.
    pub(super) fn read_ahead(&mut self, engine: &Engine, cx: &mut Context<'_>) -> bool {
        while self.input.len() < READ_AHEAD && !self.holds_piece() {
            match self.poll_fill(engine, cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return false,
                Poll::Pending => break,
            }
        }
        true
    }

    /// Writes the output. Ready when nothing is left to write, or the client has gone.
    pub(super) fn poll_flush(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<()> {
        while !self.output.is_empty() {
            let written = match self.output.file() {
                Some(_) => self.poll_write_file(cx),
                None => self.output.poll_write(|slices| self.stream.poll_write(cx, slices)),
            };
            match written {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => self.lose(),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(buffer) = self.output.take_buffer() {
            engine.buffers.give_write(buffer);
        }
        Poll::Ready(())
    }

    /// Writes a part of the next file: directly into the socket or, where that is unsupported, through a buffer.
    fn poll_write_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(file) = self.output.file() else { return Poll::Ready(Ok(0)) };
        let left = file.length;
        match self.stream.poll_send_file(cx, file) {
            Poll::Ready(Ok(0)) => {
                let error = io::ErrorKind::UnexpectedEof.into();
                broken_file(&error, left);
                Poll::Ready(Err(error))
            }
            Poll::Ready(Ok(sent)) => {
                self.output.advance_file(sent as u64);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
                if let Err(error) = self.output.load_file() {
                    broken_file(&error, left);
                    return Poll::Ready(Err(error));
                }
                self.output.poll_write(|slices| self.stream.poll_write(cx, slices))
            }
            other => other,
        }
    }
}
