//! The future that drives one connection: `h2`, the socket, and the beginning of streams.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Handshake};
use pounce_asgi::{App, ConnectionInfo};

use super::super::input::Input;
use super::super::timer::{Moved, Progress, Timer, Wait};
use super::super::{LAST_REQUEST, LINGER};
use super::io::{ConnectionIo, Io};
use super::streams::Streams;
use crate::engine::{Engine, WorkerPhase};
use crate::http2::Tripped;
use crate::stream::Stream;

/// How many requests go to the application before other connections get their turn.
const REQUESTS_PER_TURN: usize = 64;

/// How many bytes of a response `h2` buffers, in addition to those in the stream's `Body`.
const SEND_BUFFER: usize = 64 * 1024;

/// One connection. Ready when it is closed and every application call on it has returned.
pub(super) struct Connection<A: App> {
    engine: Rc<Engine>,
    info: Rc<ConnectionInfo>,
    shared: Rc<ConnectionIo>,
    speaker: Speaker,
    streams: Streams<A>,
    /// GOAWAY has told the client to send no more requests.
    is_closing: bool,
    timer: Timer<ConnectionWait>,
}

/// The state of `h2`.
enum Speaker {
    Handshaking(Pin<Box<Handshake<Io, Bytes>>>),
    Open(Box<h2::server::Connection<Io, Bytes>>),
    /// `h2` is done; its last output is being written, and the client must close.
    Lingering,
    Over,
}

/// The reason why a connection waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionWait {
    /// The first request.
    First,
    /// A further request, while no stream is open.
    KeepAlive,
    /// Streams, which have their own deadlines.
    Streams,
    /// The client, to open its windows: all remaining data is with `h2`.
    Unread,
    /// The client, to read.
    Write,
    /// The client, to close.
    Close,
}

impl Wait for ConnectionWait {
    fn progress(self) -> Progress {
        match self {
            Self::Write | Self::Unread => Progress::Sent,
            _ => Progress::None,
        }
    }
}

impl<A: App> Connection<A> {
    pub(super) fn new(
        stream: Stream,
        input: Input,
        info: Rc<ConnectionInfo>,
        engine: Rc<Engine>,
        app: Rc<A>,
    ) -> Self {
        let now = Instant::now();
        let shared = ConnectionIo::new(Rc::clone(&engine), stream, input, now);
        let settings = &engine.settings;
        // `h2` has limits of its own. Raise them to the guard's: a client that cancels new requests, as browsers do,
        // would reach the lower defaults.
        let idle_frames = usize::try_from(settings.http.http2.max_idle_frames).unwrap_or(usize::MAX);
        let mut builder = Builder::new();
        builder
            .max_pending_accept_reset_streams(idle_frames)
            .max_concurrent_reset_streams(idle_frames)
            .max_local_error_reset_streams(Some(idle_frames))
            .max_concurrent_streams(settings.http.http2.max_concurrent_streams)
            .initial_window_size(settings.http.http2.initial_stream_window_size)
            .initial_connection_window_size(settings.http.http2.initial_connection_window_size)
            .max_frame_size(settings.http.http2.max_frame_size)
            .max_header_list_size(u32::try_from(settings.http.limits.header_size).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER);
        if settings.websocket.is_some() {
            builder.enable_connect_protocol();
        }
        Self {
            speaker: Speaker::Handshaking(Box::pin(builder.handshake(shared.io()))),
            streams: Streams::new(Rc::clone(&engine), Rc::clone(&info), app),
            shared,
            engine,
            info,
            is_closing: false,
            timer: Timer::new(ConnectionWait::First, now),
        }
    }

    /// Drives the connection as far as possible.
    fn poll_connection(&mut self, now: Instant, cx: &mut Context<'_>) {
        if let Speaker::Handshaking(handshake) = &mut self.speaker {
            match handshake.as_mut().poll(cx) {
                Poll::Ready(Ok(open)) => self.speaker = Speaker::Open(Box::new(open)),
                Poll::Ready(Err(_)) => self.speaker = Speaker::Lingering,
                Poll::Pending => {}
            }
        }
        if let Speaker::Open(open) = &mut self.speaker
            && self.engine.phase() != WorkerPhase::Serving
            && !std::mem::replace(&mut self.is_closing, true)
        {
            open.graceful_shutdown();
        }
        let mut requests = Vec::new();
        let mut begun = 0;
        while let Speaker::Open(open) = &mut self.speaker {
            // Accept all requests before answering any: the answers are then written together.
            match open.poll_accept(cx) {
                Poll::Ready(Some(Ok(request))) => {
                    requests.push(request);
                    if requests.len() < REQUESTS_PER_TURN {
                        continue;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                        self.streams.abort();
                    }
                    tracing::debug!(target: "pounce", client = %self.info.peer.client, %error, "HTTP/2 ended");
                    self.speaker = Speaker::Lingering;
                }
                Poll::Ready(None) => self.speaker = Speaker::Lingering,
                Poll::Pending => {}
            }
            if requests.is_empty() {
                break;
            }
            begun += requests.len();
            for (request, respond) in requests.drain(..) {
                self.streams.begin(request, respond, now, cx);
            }
            if begun >= REQUESTS_PER_TURN {
                cx.waker().wake_by_ref();
                if let Speaker::Open(open) = &mut self.speaker
                    && let Poll::Ready(Err(_)) = open.poll_closed(cx)
                {
                    self.speaker = Speaker::Lingering;
                }
                break;
            }
        }
        if let Some(tripped) = self.shared.tripped() {
            self.cut_off(tripped, cx);
        }
        if self.shared.write_soon(cx).is_err() {
            self.speaker = Speaker::Over;
        }
    }

    /// Ends the connection of a misbehaving client.
    fn cut_off(&mut self, tripped: Tripped, cx: &mut Context<'_>) {
        match &mut self.speaker {
            Speaker::Open(open) => {
                open.abrupt_shutdown(match tripped {
                    Tripped::Flood => Reason::ENHANCE_YOUR_CALM,
                    Tripped::Preface => Reason::PROTOCOL_ERROR,
                });
                // This emits the GOAWAY. Its result does not matter: no more input is read.
                let _ = open.poll_closed(cx);
            }
            Speaker::Handshaking(_) => {}
            Speaker::Lingering | Speaker::Over => return,
        }
        tracing::debug!(target: "pounce", client = %self.info.peer.client, ?tripped, "HTTP/2 is cut off");
        self.speaker = Speaker::Lingering;
        self.streams.abort();
    }

    /// Checks the deadline.
    fn look_at_clock(&mut self, now: Instant, cx: &mut Context<'_>) {
        let wait = match &self.speaker {
            Speaker::Over => return,
            _ if self.shared.is_blocked() => ConnectionWait::Write,
            Speaker::Lingering => ConnectionWait::Close,
            _ if !self.streams.is_empty() => ConnectionWait::Streams,
            Speaker::Open(open) if open.has_streams() => ConnectionWait::Unread,
            _ if self.is_closing => ConnectionWait::Close,
            _ if self.streams.requests() > 0 => ConnectionWait::KeepAlive,
            _ => ConnectionWait::First,
        };
        let moved = Moved { received: 0, sent: self.shared.sent() };
        self.timer.set(wait, self.streams.requests(), moved, now);
        let http = &self.engine.settings.http;
        let limit = match wait {
            ConnectionWait::Streams => return,
            // A draining worker does not wait long for a first request.
            ConnectionWait::First if self.engine.phase() != WorkerPhase::Serving => LAST_REQUEST,
            ConnectionWait::First => http.timeout_header,
            ConnectionWait::KeepAlive => http.timeout_keep_alive,
            ConnectionWait::Write | ConnectionWait::Unread => http.timeout_write,
            ConnectionWait::Close => LINGER,
        };
        let taken = || self.shared.taken();
        if !self.timer.poll_expired(Some(limit), &self.engine.settings, taken, now, cx) {
            return;
        }
        match (&mut self.speaker, wait) {
            (Speaker::Open(open), ConnectionWait::KeepAlive | ConnectionWait::First) => {
                open.graceful_shutdown();
                self.is_closing = true;
            }
            _ => self.speaker = Speaker::Over,
        }
        cx.waker().wake_by_ref();
    }
}

// Nothing in the connection is pinned.
impl<A: App> Unpin for Connection<A> {}

impl<A: App> Future for Connection<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = this.engine.begin_poll();
        if this.engine.phase() == WorkerPhase::Aborting {
            this.streams.abort();
            this.speaker = Speaker::Over;
        }
        this.poll_connection(now, cx);
        if let Speaker::Lingering = this.speaker
            && this.shared.poll_linger(cx).is_ready()
        {
            this.speaker = Speaker::Over;
        }
        if matches!(this.speaker, Speaker::Lingering | Speaker::Over) {
            this.streams.lose();
        }
        this.streams.poll_ended(cx);
        this.streams.count_if_asked();
        this.look_at_clock(now, cx);
        if let Speaker::Over = this.speaker {
            this.shared.close();
            if this.streams.is_empty() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
