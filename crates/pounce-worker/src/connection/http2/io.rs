//! The bytes of a connection as `h2` reads and writes them: read into the worker's large buffers, and written when
//! all that one turn brings is there.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::MAX_LINGER;
use super::super::input::Input;
use super::super::link::HIGH_WATER;
use crate::engine::Engine;
use crate::http2::{Guard, Tripped};
use crate::output::Output;
use crate::stream::Stream;

/// `h2`'s half of the bytes. The other half is with the connection's task.
pub(super) struct Io(Rc<Shared>);

/// The bytes of a connection.
pub(super) struct Shared {
    engine: Rc<Engine>,
    state: RefCell<State>,
}

struct State {
    stream: Stream,
    input: Input,
    output: Output,
    guard: Guard,
    tripped: Option<Tripped>,
    end_of_input: bool,
    shut_down: bool,
    /// Bytes that were dropped while waiting for the client's end.
    lingered: usize,
}

impl Shared {
    pub(super) fn new(engine: Rc<Engine>, stream: Stream, input: Input, now: Instant) -> Rc<Self> {
        let mut guard = Guard::new(engine.settings.http2.max_idle_frames, now);
        let tripped = guard.read(input.bytes(), now).err();
        Rc::new(Self {
            engine,
            state: RefCell::new(State {
                stream,
                input,
                output: Output::new(),
                guard,
                tripped,
                end_of_input: false,
                shut_down: false,
                lingered: 0,
            }),
        })
    }

    pub(super) fn io(self: &Rc<Self>) -> Io {
        Io(Rc::clone(self))
    }

    /// Why the client is to be cut off.
    pub(super) fn tripped(&self) -> Option<Tripped> {
        self.state.borrow().tripped
    }

    pub(super) fn has_output(&self) -> bool {
        !self.state.borrow().output.is_empty()
    }

    /// Bytes that the socket has taken.
    pub(super) fn sent(&self) -> u64 {
        self.state.borrow().stream.sent()
    }

    /// Those that the client has taken; see [`Stream::taken`].
    pub(super) fn taken(&self) -> i64 {
        self.state.borrow().stream.taken()
    }

    /// Writes what waits.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_flush(&self.engine, cx)
    }

    /// Says that nothing more comes, and waits for the same from the client.
    pub(super) fn poll_linger(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        if !state.shut_down {
            match state.poll_flush(&self.engine, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            match state.stream.poll_shutdown(cx) {
                Poll::Ready(Ok(())) => state.shut_down = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        loop {
            let all = state.input.len();
            state.input.consume(all);
            if state.end_of_input {
                return Poll::Ready(());
            }
            let read = state.input.poll_fill(&self.engine, |room| state.stream.poll_read(cx, room));
            match read {
                Poll::Ready(Ok(count @ 1..)) if state.lingered + count <= MAX_LINGER => {
                    state.lingered += count
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    pub(super) fn close(&self) {
        self.state.borrow_mut().stream.close();
    }
}

impl State {
    fn poll_flush(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match std::task::ready!(self.output.poll_write(|slices| self.stream.poll_write(cx, slices)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.guard.wrote(count),
            }
        }
        if let Some(buffer) = self.output.take_buffer() {
            engine.buffers.give_write(buffer);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes bytes to write, unless too many wait.
    fn poll_take(
        &mut self,
        engine: &Engine,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.output.len() >= HIGH_WATER {
            std::task::ready!(self.poll_flush(engine, cx))?;
        }
        if self.output.is_empty() {
            self.output.give_buffer(engine.buffers.take_write());
        }
        let mut taken = 0;
        for slice in slices {
            self.output.extend(slice);
            taken += slice.len();
        }
        Poll::Ready(Ok(taken))
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &mut *self.0.state.borrow_mut();
        if state.input.is_empty() {
            if state.end_of_input {
                return Poll::Ready(Ok(()));
            }
            let read = state.input.poll_fill(&self.0.engine, |room| state.stream.poll_read(cx, room));
            if std::task::ready!(read)? == 0 {
                state.end_of_input = true;
                return Poll::Ready(Ok(()));
            }
            state.tripped = state.guard.read(state.input.bytes(), Instant::now()).err().or(state.tripped);
        }
        if state.tripped.is_some() {
            // Nothing more is listened to; the task sees to the end.
            let all = state.input.len();
            state.input.consume(all);
            return Poll::Pending;
        }
        let bytes = state.input.bytes();
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..count]);
        state.input.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.state.borrow_mut().poll_take(&self.0.engine, cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.state.borrow_mut().poll_take(&self.0.engine, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The task writes once the turn is over.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The task ends the connection, when all is written.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
