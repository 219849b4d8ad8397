//! Reading and writing the socket of a [`Link`].

use std::io::IoSlice;
use std::os::unix::fs::FileExt as _;
use std::task::{Context, Poll};

use super::link::State;
use crate::engine::Engine;

/// How much of a file is read at once.
const FILE_PIECE: usize = 256 * 1024;

/// How much is kept of what a client sends before it is asked for.
const READ_AHEAD: usize = 16 * 1024;

impl State {
    /// Reads what has arrived into the input. Ready with false at the end of the stream, which an error is
    /// too.
    pub(super) fn poll_fill(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<bool> {
        if self.end_of_input {
            return Poll::Ready(false);
        }
        match self.input.poll_fill(engine, |room| self.stream.poll_read(cx, room)) {
            Poll::Ready(Ok(1..)) => {
                self.has_read = true;
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

    /// Reads on while the application does something else, within limits: that is how a client's leaving is noticed.
    /// False when the client sends nothing more.
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

    /// Writes what waits. Ready when nothing is left, which is so too when the client has gone.
    pub(super) fn poll_flush(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<()> {
        while !self.output.is_empty() {
            let written = if self.output.file().is_some() {
                self.poll_write_file(cx)
            } else {
                self.output.poll_write(|slices| self.stream.poll_write(cx, slices))
            };
            match written {
                Poll::Ready(Ok(1..)) => self.has_written = true,
                Poll::Ready(Ok(0) | Err(_)) => self.lose(),
                Poll::Pending => return Poll::Pending,
            }
        }
        if let Some(buffer) = self.output.take_buffer() {
            engine.buffers.give_write(buffer);
        }
        Poll::Ready(())
    }

    /// Writes a piece of the file that is next.
    fn poll_write_file(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let Some(file) = self.output.file() else { return Poll::Ready(Ok(0)) };
        let mut piece = vec![0; FILE_PIECE.min(usize::try_from(file.length).unwrap_or(FILE_PIECE))];
        let read = match file.file.read_at(&mut piece, file.offset) {
            // The file has become shorter than it was: the length is promised, so the connection must end.
            Ok(0) => return Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let written = self.stream.poll_write(cx, &[IoSlice::new(&piece[..read])]);
        if let Poll::Ready(Ok(count)) = written {
            self.output.advance_file(count as u64);
        }
        written
    }
}
