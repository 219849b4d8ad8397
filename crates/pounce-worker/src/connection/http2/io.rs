//! The bytes of a connection, between `h2` and the socket: reads go through the worker's large buffers, and writes wait
//! until the end of the turn.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::HIGH_WATER;
use super::super::MAX_LINGER;
use super::super::input::Input;
use crate::engine::Engine;
use crate::flusher::{Flush, FlushEntry};
use crate::http2::{Guard, Screen, Screened, Tripped};
use crate::output::Output;
use crate::stream::Stream;

/// The handle through which `h2` reads and writes.
pub(super) struct Io(Rc<ConnectionIo>);

/// The bytes of a connection, shared by `h2` and the connection's task.
pub(super) struct ConnectionIo {
    engine: Rc<Engine>,
    state: RefCell<IoState>,
    /// Wakes the connection's task.
    waker: RefCell<Waker>,
    flush_entry: FlushEntry,
}

struct IoState {
    stream: Stream,
    input: Input,
    output: Output,
    guard: Guard,
    tripped: Option<Tripped>,
    screen: Screen,
    /// Bytes for `h2` that replace screened input; they precede the rest of the input.
    replaced: Bytes,
    /// How many bytes of the input pass to `h2` unchanged.
    screened: usize,
    end_of_input: bool,
    /// The socket takes no more for now, or is broken.
    is_blocked: bool,
    shut_down: bool,
    /// Bytes dropped while waiting for the client to close.
    lingered: usize,
}

impl ConnectionIo {
    pub(super) fn new(engine: Rc<Engine>, stream: Stream, input: Input, now: Instant) -> Rc<Self> {
        let mut guard = Guard::new(engine.settings.http.http2.max_idle_frames, now);
        let tripped = guard.read(input.bytes(), now).err();
        let screen = Screen::new(engine.settings.http.http2.max_frame_size);
        Rc::new_cyclic(|this: &Weak<Self>| Self {
            engine,
            state: RefCell::new(IoState {
                stream,
                input,
                output: Output::new(),
                guard,
                tripped,
                screen,
                replaced: Bytes::new(),
                screened: 0,
                end_of_input: false,
                is_blocked: false,
                shut_down: false,
                lingered: 0,
            }),
            waker: RefCell::new(Waker::noop().clone()),
            flush_entry: FlushEntry::new(this.clone()),
        })
    }

    pub(super) fn io(self: &Rc<Self>) -> Io {
        Io(Rc::clone(self))
    }

    /// Why the client must be cut off, if so.
    pub(super) fn tripped(&self) -> Option<Tripped> {
        self.state.borrow().tripped
    }

    /// Whether the socket does not take the waiting output.
    pub(super) fn is_blocked(&self) -> bool {
        self.state.borrow().is_blocked
    }

    /// Bytes taken by the socket.
    pub(super) fn sent(&self) -> u64 {
        self.state.borrow().stream.sent()
    }

    /// Bytes taken by the client; see [`Stream::taken`].
    pub(super) fn taken(&self) -> i64 {
        self.state.borrow().stream.taken()
    }

    /// Schedules a write for the end of the turn or, if the socket is blocked, waits until it takes more. Fails if the
    /// socket is broken.
    pub(super) fn write_soon(self: &Rc<Self>, cx: &mut Context<'_>) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if state.output.is_empty() {
            return Ok(());
        }
        if state.is_blocked {
            return match state.poll_flush(&self.engine, cx) {
                Poll::Ready(flushed) => flushed,
                Poll::Pending => Ok(()),
            };
        }
        drop(state);
        self.waker.borrow_mut().clone_from(cx.waker());
        self.engine.flusher.add(&self.flush_entry);
        Ok(())
    }

    /// Shuts down the sending side and waits for the client to do the same.
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

impl IoState {
    /// Gives screened bytes to `h2`.
    fn poll_read(
        &mut self,
        engine: &Engine,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.tripped.is_some() {
                // Drop further input; the task ends the connection.
                let all = self.input.len();
                self.input.consume(all);
                return Poll::Pending;
            }
            if !self.replaced.is_empty() {
                let count = self.replaced.len().min(buffer.remaining());
                buffer.put_slice(&self.replaced.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if self.screened > 0 {
                let count = self.screened.min(buffer.remaining());
                buffer.put_slice(&self.input.bytes()[..count]);
                self.input.consume(count);
                self.screened -= count;
                return Poll::Ready(Ok(()));
            }
            match self.screen.look(self.input.bytes()) {
                Screened::Pass(count) => self.screened = count,
                Screened::Replace(count, bytes) => {
                    self.input.consume(count);
                    self.replaced = bytes.into();
                }
                Screened::Hold if self.end_of_input && self.input.is_empty() => return Poll::Ready(Ok(())),
                // `h2` reports the incomplete frame.
                Screened::Hold if self.end_of_input => self.screened = self.input.len(),
                Screened::Hold => std::task::ready!(self.poll_fill(engine, cx))?,
            }
        }
    }

    /// Reads from the client.
    fn poll_fill(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let read = self.input.poll_fill(engine, |room| self.stream.poll_read(cx, room));
        let count = std::task::ready!(read)?;
        let new = &self.input.bytes()[self.input.len() - count..];
        self.tripped = self.guard.read(new, Instant::now()).err();
        self.end_of_input = count == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.poll_write(engine, cx);
        self.is_blocked = !matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_write(&mut self, engine: &Engine, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Takes bytes from `h2`, unless too many wait.
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

impl Flush for ConnectionIo {
    fn entry(&self) -> &FlushEntry {
        &self.flush_entry
    }

    fn flush(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let flushed = self.state.borrow_mut().poll_flush(&self.engine, &mut context);
        // The task waits for the socket, or ends the connection if the socket is broken.
        if !matches!(flushed, Poll::Ready(Ok(()))) {
            self.waker.borrow().wake_by_ref();
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.state.borrow_mut().poll_read(&self.0.engine, cx, buffer)
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

    /// Does nothing: the task schedules the write for the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: the task ends the connection once everything is written.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
