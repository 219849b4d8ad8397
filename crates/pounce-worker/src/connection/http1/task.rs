//! The future that drives one connection: its socket and the application's call, side by side.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pounce_asgi::{App, Exchange};

use super::super::body_phase::BodyPhase;
use super::super::input::Input;
use super::super::monitoring;
use super::super::running::{CallEnd, Running};
use super::super::timer::{Moved, Timer};
use super::super::websocket::Opening;
use super::super::{HIGH_WATER, LAST_REQUEST, MAX_LINGER};
use super::link::Http1Link;
use super::state::{Ending, Http1State, Next};
use super::wait::Http1Wait;
use crate::engine::WorkerPhase;
use crate::http1::{BodyFraming, Facts, Fault};
use crate::stream::Stream;

/// How many requests of a connection are answered before other connections get their turn.
const REQUESTS_PER_TURN: usize = 16;

/// One connection over HTTP/1.1.
pub(in crate::connection) struct ConnectionTask<A: App> {
    link: Rc<Http1Link>,
    app: Rc<A>,
    connection: A::Connection,
    /// The exchange whose response is not complete.
    current: Option<Running<A>>,
    /// Calls that still run after a complete response, or after the client has gone.
    background: Vec<Running<A>>,
    timer: Timer<Http1Wait>,
    closed: bool,
    shut_down: bool,
    /// Bytes that were dropped while waiting for the client to close.
    lingered: usize,
    /// The WebSocket that the connection becomes.
    upgrade: Option<Box<Opening>>,
    is_http2: bool,
}

/// How the task of a connection ended.
pub(in crate::connection) enum Ended {
    /// The connection is closed, and every application call on it has returned.
    Closed,
    /// The connection becomes a WebSocket.
    WebSocket(Box<Opening>),
    /// The client speaks HTTP/2; the input holds the bytes read so far.
    Http2(Stream, Input),
}

impl<A: App> ConnectionTask<A> {
    pub(in crate::connection) fn new(link: Rc<Http1Link>, app: Rc<A>) -> Self {
        let connection = app.connect(&link.info);
        let timer = Timer::new(Http1Wait::FirstHead, link.now.get());
        Self {
            link,
            app,
            connection,
            current: None,
            background: Vec::new(),
            timer,
            closed: false,
            shut_down: false,
            lingered: 0,
            upgrade: None,
            is_http2: false,
        }
    }
}

// Nothing in the task is pinned: calls are `Unpin` by contract.
impl<A: App> Unpin for ConnectionTask<A> {}

impl<A: App> Future for ConnectionTask<A> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        this.link.now.set(this.link.engine.begin_poll());
        this.link.waker.begin_poll(cx.waker());
        if this.link.engine.phase() == WorkerPhase::Aborting {
            this.link.state().lose();
            return Poll::Ready(Ended::Closed);
        }
        let ends = !this.closed && this.poll_connection(cx);
        // Polled after the connection: they may wait for a write or a disconnect that just happened.
        this.poll_background(cx);
        this.link.waker.end_poll();
        this.count_if_asked();
        if this.is_http2 {
            let state = &mut *this.link.state();
            let stream = std::mem::replace(&mut state.stream, Stream::Closed);
            return Poll::Ready(Ended::Http2(stream, std::mem::take(&mut state.input)));
        }
        if let Some(upgrade) = this.upgrade.take() {
            for running in this.background.drain(..) {
                running.detach(&this.link.engine);
            }
            return Poll::Ready(Ended::WebSocket(upgrade));
        }
        if ends {
            this.closed = true;
            this.link.state().close();
        }
        if this.closed && this.current.is_none() && this.background.is_empty() {
            return Poll::Ready(Ended::Closed);
        }
        Poll::Pending
    }
}

impl<A: App> ConnectionTask<A> {
    /// Reports the open request, if a count of open requests is under way.
    fn count_if_asked(&self) {
        if self.current.is_none() || !self.link.engine.is_counting() {
            return;
        }
        let state = self.link.state();
        let (head, started) = (state.machine.head(), state.observation.started);
        self.link.engine.count(&raw const *self.link, head.method(), head.raw_path(), started);
    }

    /// Drives the connection. True when it has ended.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> bool {
        let mut requests = 0;
        loop {
            if self.current.is_some() {
                if self.poll_exchange(cx).is_pending() {
                    return self.wait(cx);
                }
                continue;
            }
            if requests == REQUESTS_PER_TURN {
                cx.waker().wake_by_ref();
                return false;
            }
            match self.poll_next(cx) {
                Poll::Ready(Next::Request) => {
                    requests += 1;
                    self.link.observe_begin();
                    if let Some(settings) = self.link.asks_for_websocket() {
                        match self.link.upgrade(settings) {
                            Some(upgrade) => self.upgrade = Some(upgrade),
                            None => continue,
                        }
                        return true;
                    }
                    self.begin();
                }
                Poll::Ready(Next::Close) => {
                    if self.poll_close(cx).is_ready() {
                        return true;
                    }
                    return self.wait(cx);
                }
                Poll::Ready(Next::NeedMore) => {}
                Poll::Ready(Next::Http2) => {
                    self.is_http2 = true;
                    return true;
                }
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// Hands the request that has just arrived to the application.
    fn begin(&mut self) {
        let engine = &self.link.engine;
        let watched = monitoring::answer(engine, self.link.state().machine.head());
        let busy = || (engine.refuse(503, "the server is busy"), true);
        let answer = watched.map(|answer| (answer, false)).or_else(|| engine.is_busy().then(busy));
        if let Some((answer, close)) = answer {
            let mut state = self.link.state();
            self.link.answer(&mut state, answer, close);
            self.link.observe_end(&mut state);
            state.end_exchange();
            return;
        }
        let (head, id, peer) = {
            let mut state = self.link.state();
            (state.machine.take_head(), state.exchange, Rc::clone(&state.observation.peer))
        };
        let exchange = Exchange::new(Rc::clone(&self.link) as _, id);
        let running =
            Running::begin_timed(engine, || self.app.http(&self.connection, &peer, &head, exchange));
        self.link.state().machine.restore_head(head);
        self.current = Some(running);
    }

    /// Drives the current exchange. Ready when its response is complete, its call has returned, or the client has gone.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(running) = &mut self.current else { return Poll::Ready(()) };
            let outcome = running.poll(cx);
            let mut state = self.link.state();
            match outcome {
                Poll::Ready(outcome) if !state.encoder.is_complete() => {
                    self.link.conclude(&mut state, outcome);
                }
                Poll::Pending if state.is_gone() || !state.encoder.is_complete() => {
                    if state.is_gone() {
                        self.link.observe_end(&mut state);
                        break;
                    }
                    if self.poll_io(&mut state, cx) {
                        continue;
                    }
                    return Poll::Pending;
                }
                _ => {}
            }
            self.link.observe_end(&mut state);
            state.end_exchange();
            drop(state);
            if let Some(mut running) = self.current.take()
                && outcome.is_pending()
            {
                running.set_answered();
                self.background.push(running);
            }
            return Poll::Ready(());
        }
        self.background.extend(self.current.take());
        Poll::Ready(())
    }

    /// Drives the calls whose exchange is over.
    fn poll_background(&mut self, cx: &mut Context<'_>) {
        let link = &self.link;
        self.background.retain_mut(|running| match running.poll(cx) {
            Poll::Pending => true,
            Poll::Ready(CallEnd::Ended(_)) => false,
            Poll::Ready(CallEnd::TimedOut) => {
                // Only a client that has gone leaves a call unanswered, and its request was the connection's last.
                let state = link.state();
                let head = state.machine.head();
                link.engine.log_request_timeout(head.method(), head.raw_path());
                false
            }
        });
    }

    /// Moves bytes while an exchange runs. True if the application must be polled: an event it waits for has happened.
    fn poll_io(&self, state: &mut Http1State, cx: &mut Context<'_>) -> bool {
        let engine = &self.link.engine;
        if !self.link.is_due() {
            // If bytes are left, the timer watches the client.
            let _ = state.poll_flush(engine, cx);
        }
        if state.is_gone() {
            return true;
        }
        let writable = state.waits.take_send(state.output.len());
        let readable = if state.body == BodyPhase::Taken || state.machine.facts().body == BodyFraming::None {
            let open = state.read_ahead(engine, cx);
            if !open && state.encoder.is_unsent() {
                // The client might still read, but nothing more will be sent: treat it as gone.
                state.lose();
            }
            !open
        } else if state.waits.is_receiving() {
            // A body is read only when the application asks for it, which is backpressure on the client.
            state.poll_fill(engine, cx).is_ready()
        } else {
            state.read_ahead(engine, cx);
            false
        };
        let received = readable && state.waits.take_receive();
        writable || received || state.is_gone()
    }

    /// Advances to the next request, reading as needed.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let engine = &self.link.engine;
        let state = &mut *self.link.state();
        loop {
            let answered = state.exchange > 0 && state.machine.in_body();
            match state.next_request() {
                Ok(Next::NeedMore) => {}
                Ok(next) => return Poll::Ready(next),
                // A fault in the body of an answered request. The client would match a response to its next request.
                Err(_) if answered => {
                    state.end(Ending::Linger);
                    return Poll::Ready(Next::Close);
                }
                Err(fault) => {
                    tracing::debug!(target: "pounce", client = %self.link.info.peer.client, %fault, "refused a request");
                    state.encoder.begin(Facts::default());
                    self.link.refuse(state, fault);
                    return Poll::Ready(Next::Close);
                }
            }
            // While a client does not read its responses, its requests are not read.
            let may_wait = self.link.is_due() && state.output.len() <= HIGH_WATER;
            if !may_wait && state.poll_flush(engine, cx).is_pending() && state.output.len() > HIGH_WATER {
                return Poll::Pending;
            }
            if state.ending != Ending::Open {
                return Poll::Ready(Next::Close);
            }
            match state.poll_fill(engine, cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    state.end(Ending::Close);
                    return Poll::Ready(Next::Close);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Writes the remaining output, shuts down the sending side, and waits for the client to close if lingering.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let engine = &self.link.engine;
        let state = &mut *self.link.state();
        if state.poll_flush(engine, cx).is_pending() {
            return Poll::Pending;
        }
        if state.ending != Ending::Linger || state.end_of_input {
            return Poll::Ready(());
        }
        if !self.shut_down {
            if state.stream.poll_shutdown(cx).is_pending() {
                return Poll::Pending;
            }
            self.shut_down = true;
        }
        loop {
            let all = state.input.len();
            state.input.consume(all);
            self.lingered += all;
            if self.lingered > MAX_LINGER {
                return Poll::Ready(());
            }
            match state.poll_fill(engine, cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Checks the deadline before waiting. True if the connection ends now.
    fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.link.now.get();
        let settings = &self.link.engine.settings;
        let mut state = self.link.state();
        state.rest(&self.link.engine);
        let wait = self.waits_for(&state);
        let moved = Moved { received: state.received, sent: state.stream.sent() };
        self.timer.set(wait, state.exchange, moved, now);
        let draining = self.link.engine.phase() != WorkerPhase::Serving;
        let limit = match wait {
            Http1Wait::FirstHead | Http1Wait::KeepAlive if draining && state.machine.is_idle() => {
                Some(LAST_REQUEST)
            }
            _ => wait.limit(settings),
        };
        if !self.timer.poll_expired(limit, settings, || state.stream.taken(), now, cx) {
            return false;
        }
        match wait {
            Http1Wait::KeepAlive | Http1Wait::Linger | Http1Wait::Application => return true,
            // No request has begun: there is nothing to answer.
            Http1Wait::FirstHead if state.machine.is_idle() => return true,
            Http1Wait::Write | Http1Wait::HalfClosed => state.lose(),
            Http1Wait::Body if self.current.is_none() => state.end(Ending::Linger),
            Http1Wait::FirstHead | Http1Wait::Head | Http1Wait::Body => {
                if self.current.is_none() {
                    // The encoder is still at the end of the previous response.
                    state.encoder.begin(Facts::default());
                }
                self.link.refuse(&mut state, Fault::Timeout);
            }
        }
        drop(state);
        cx.waker().wake_by_ref();
        false
    }

    fn waits_for(&self, state: &Http1State) -> Http1Wait {
        if !state.output.is_empty() && !self.link.is_due() {
            return Http1Wait::Write;
        }
        if self.current.is_some() {
            return if state.waits.is_receiving() && state.body != BodyPhase::Taken {
                Http1Wait::Body
            } else if state.end_of_input {
                Http1Wait::HalfClosed
            } else {
                Http1Wait::Application
            };
        }
        if state.ending != Ending::Open {
            return Http1Wait::Linger;
        }
        if state.machine.in_body() {
            return Http1Wait::Body;
        }
        match (state.exchange, state.machine.is_idle()) {
            (0, _) => Http1Wait::FirstHead,
            (_, true) => Http1Wait::KeepAlive,
            (_, false) => Http1Wait::Head,
        }
    }
}
