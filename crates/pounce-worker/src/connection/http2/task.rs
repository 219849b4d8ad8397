//! The future that drives one connection: `h2`, the socket, and the streams' beginnings.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::server::{Builder, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use pounce_asgi::{App, ConnectionInfo, Exchange, RequestHead};
use tokio::task::JoinSet;

use super::super::input::Input;
use super::super::running::Running;
use super::super::timer::{Moved, Progress, Timer, Wait};
use super::super::websocket::{self, Opening};
use super::super::{LAST_REQUEST, LINGER};
use super::io::{ConnectionIo, Io};
use super::response::Responder;
use super::stream::StreamLink;
use super::stream_task::StreamTask;
use super::tunnel::Tunnel;
use crate::engine::{ConnectionGuard, Engine, WorkerPhase};
use crate::http2::{Request, Tripped, Unfit, read_request};
use crate::observer::Observation;
use crate::output::Output;
use crate::stream::Stream;
use crate::websocket::UpgradeRequest;

/// How many requests are handed to the application before the others get their turn.
const REQUESTS_PER_TURN: usize = 64;

/// How much of a response `h2` keeps beside what is in [`super::body::Body`].
const SEND_BUFFER: usize = 64 * 1024;

/// One connection. Ready when it is closed and every application call on it has returned.
pub(super) struct Connection<A: App> {
    engine: Rc<Engine>,
    info: Rc<ConnectionInfo>,
    app: Rc<A>,
    connection: A::Connection,
    shared: Rc<ConnectionIo>,
    speaker: Speaker,
    streams: JoinSet<()>,
    /// Those of the streams: `h2` does not tell each of them of the connection's end.
    links: Vec<Weak<StreamLink>>,
    orphans: Rc<Cell<usize>>,
    /// How many requests have come.
    requests: u64,
    is_draining: bool,
    /// The client has been told that no more requests are taken.
    is_closing: bool,
    timer: Timer<ConnectionWait>,
}

/// How far `h2` is.
enum Speaker {
    Handshaking(Pin<Box<Handshake<Io, Bytes>>>),
    Open(Box<h2::server::Connection<Io, Bytes>>),
    /// What it has said is on its way out.
    Lingering,
    Over,
}

/// The reason why a connection waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionWait {
    /// The first request.
    First,
    /// A further one, while there is none.
    KeepAlive,
    /// What streams do.
    Streams,
    /// The client's windows: all that is left is with `h2`.
    Unread,
    /// The client's reading.
    Write,
    /// The end.
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
        // The guard's measure holds for what `h2` counts by itself as well: its own bounds are lower, and a client
        // that cancels what it has just asked for, as browsers do, would come to them.
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
            connection: app.connect(&info),
            speaker: Speaker::Handshaking(Box::pin(builder.handshake(shared.io()))),
            shared,
            engine,
            info,
            app,
            streams: JoinSet::new(),
            links: Vec::new(),
            orphans: Rc::default(),
            requests: 0,
            is_draining: false,
            is_closing: false,
            timer: Timer::new(ConnectionWait::First, now),
        }
    }

    /// Goes on with the connection, as far as that is possible.
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
            && !std::mem::replace(&mut self.is_draining, true)
        {
            open.graceful_shutdown();
            self.is_closing = true;
        }
        let mut requests = Vec::new();
        let mut begun = 0;
        while let Speaker::Open(open) = &mut self.speaker {
            // All requests first, then all answers: they leave together.
            match open.poll_accept(cx) {
                Poll::Ready(Some(Ok(request))) => {
                    requests.push(request);
                    if requests.len() < REQUESTS_PER_TURN {
                        continue;
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                        self.streams.abort_all();
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
                self.begin(request, respond, now, cx);
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

    /// Ends a connection whose client does what it must not.
    fn cut_off(&mut self, tripped: Tripped, cx: &mut Context<'_>) {
        match &mut self.speaker {
            Speaker::Open(open) => {
                open.abrupt_shutdown(match tripped {
                    Tripped::Flood => Reason::ENHANCE_YOUR_CALM,
                    Tripped::Preface => Reason::PROTOCOL_ERROR,
                });
                // That is written; what `h2` waits for will not come.
                let _ = open.poll_closed(cx);
            }
            Speaker::Handshaking(_) => {}
            Speaker::Lingering | Speaker::Over => return,
        }
        tracing::debug!(target: "pounce", client = %self.info.peer.client, ?tripped, "HTTP/2 is cut off");
        self.speaker = Speaker::Lingering;
        self.streams.abort_all();
    }

    /// Hands a request to the application.
    fn begin(
        &mut self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        now: Instant,
        cx: &mut Context<'_>,
    ) {
        self.requests += 1;
        let (parts, recv) = request.into_parts();
        let request = match read_request(&parts, &self.engine.settings.http.limits) {
            Ok(request) => request,
            Err(Unfit::Reset(reason)) => return respond.send_reset(reason),
            Err(Unfit::Answer(fault)) => {
                let responder = Responder::new(respond, parts.method == http::Method::HEAD, false);
                let none = Observation::none(&self.info, now);
                let link = self.link(RequestHead::default(), (recv, responder), false, none);
                link.answer(&mut link.state(), fault.status(), &fault.to_string());
                return self.go_on(StreamTask::<A>::new(link, None, Rc::clone(&self.orphans)), cx);
            }
        };
        let observation = Observation::begin(&self.engine, &self.info, &request.head, now);
        if request.websocket {
            return self.begin_websocket(request, recv, respond, observation, cx);
        }
        let is_head = request.head.method() == b"HEAD";
        let responder = Responder::new(respond, is_head, request.head.accepts_trailers());
        // A client that has nothing to send waits for nothing.
        let continue_due = request.expects_continue && !recv.is_end_stream();
        let id = u64::from(responder.stream_id());
        let peer = Rc::clone(&observation.peer);
        let link = self.link(request.head, (recv, responder), continue_due, observation);
        let call = if self.engine.is_busy() {
            link.answer(&mut link.state(), 503, "the server is busy");
            None
        } else {
            let exchange = Exchange::new(Rc::clone(&link) as _, id);
            let app = &self.app;
            Some(Running::begin(&self.engine, || app.http(&self.connection, &peer, &link.head, exchange)))
        };
        self.go_on(StreamTask::<A>::new(link, call, Rc::clone(&self.orphans)), cx);
    }

    /// Hands a request for a WebSocket to the application (RFC 8441).
    fn begin_websocket(
        &mut self,
        request: Request,
        recv: RecvStream,
        respond: SendResponse<Bytes>,
        observation: Observation,
        cx: &mut Context<'_>,
    ) {
        let deflate = self.engine.settings.websocket.is_some_and(|settings| settings.per_message_deflate);
        let upgrade = UpgradeRequest::read(&request.head, false, deflate);
        let upgrade = upgrade.and_then(|upgrade| self.engine.refuses_websocket().map(|()| upgrade));
        let responder = Responder::new(respond, false, false);
        match upgrade {
            Ok(upgrade) => {
                let (info, engine) = (Rc::clone(&self.info), Rc::clone(&self.engine));
                let opening = Opening {
                    carrier: Box::new(Tunnel::new(recv, responder)),
                    input: Input::default(),
                    output: Output::new(),
                    head: request.head,
                    request: upgrade,
                    observation,
                };
                // Its connection is counted already.
                let guard = ConnectionGuard::of_stream(&engine);
                let served = websocket::serve(opening, info, guard, engine, (&*self.app, &self.connection));
                self.streams.spawn_local(served);
            }
            Err(refusal) => {
                let link = self.link(request.head, (recv, responder), false, observation);
                link.answer(&mut link.state(), refusal.status, refusal.detail);
                self.go_on(StreamTask::<A>::new(link, None, Rc::clone(&self.orphans)), cx);
            }
        }
    }

    fn link(
        &self,
        head: RequestHead,
        halves: (RecvStream, Responder),
        continue_due: bool,
        observation: Observation,
    ) -> Rc<StreamLink> {
        let (engine, info) = (Rc::clone(&self.engine), Rc::clone(&self.info));
        StreamLink::new(engine, info, head, halves, continue_due, observation)
    }

    /// Lets a stream go on: here, if it comes to its end at once, else in a task of its own.
    fn go_on(&mut self, mut stream: StreamTask<A>, cx: &mut Context<'_>) {
        if stream.poll_stream(cx).is_pending() {
            stream.forget_alarm();
            if self.links.len() > 2 * self.streams.len() + 16 {
                self.links.retain(|link| link.strong_count() > 0);
            }
            self.links.push(Rc::downgrade(stream.link()));
            self.streams.spawn_local(stream);
        }
    }

    /// Looks at the clock.
    fn look_at_clock(&mut self, now: Instant, cx: &mut Context<'_>) {
        let wait = match &self.speaker {
            Speaker::Over => return,
            _ if self.shared.is_blocked() => ConnectionWait::Write,
            Speaker::Lingering => ConnectionWait::Close,
            _ if !self.streams.is_empty() => ConnectionWait::Streams,
            Speaker::Open(open) if open.has_streams() => ConnectionWait::Unread,
            _ if self.is_closing => ConnectionWait::Close,
            _ if self.requests > 0 => ConnectionWait::KeepAlive,
            _ => ConnectionWait::First,
        };
        let moved = Moved { received: 0, sent: self.shared.sent() };
        self.timer.set(wait, self.requests, moved, now);
        let http = &self.engine.settings.http;
        let limit = match wait {
            ConnectionWait::Streams => return,
            // A worker that drains waits for no beginning for long.
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

// Nothing in it is pinned in place.
impl<A: App> Unpin for Connection<A> {}

impl<A: App> Future for Connection<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = this.engine.begin_poll();
        if this.engine.phase() == WorkerPhase::Aborting {
            this.streams.abort_all();
            this.speaker = Speaker::Over;
        }
        this.poll_connection(now, cx);
        if let Speaker::Lingering = this.speaker
            && this.shared.poll_linger(cx).is_ready()
        {
            this.speaker = Speaker::Over;
        }
        if matches!(this.speaker, Speaker::Lingering | Speaker::Over) {
            for link in this.links.drain(..).filter_map(|link| link.upgrade()) {
                link.lose();
            }
        }
        while let Poll::Ready(Some(ended)) = this.streams.poll_join_next(cx) {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(target: "pounce", "a stream's task has panicked");
            }
        }
        if this.engine.is_counting() {
            for link in this.links.iter().filter_map(Weak::upgrade) {
                let (head, started) = (&link.head, link.state().observation.started);
                this.engine.count(&raw const *link, head.method(), head.raw_path(), started);
            }
        }
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
