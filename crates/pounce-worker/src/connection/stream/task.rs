//! The future that drives one stream whose application or response waits.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use pounce_asgi::App;

use super::super::running::Running;
use super::super::timer::{Moved, Progress, Timer, Wait};
use super::link::{Fate, StreamLink, StreamState};
use super::transport::{Reset, Transport};
use crate::engine::WorkerPhase;
use crate::http1::Fault;

/// How long to wait for the end of a request's body after a response that is complete without it.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// One stream. Ready when its response is handed on and its application has returned.
pub(in crate::connection) struct StreamTask<A: App, T: Transport> {
    link: Rc<StreamLink<T>>,
    call: Option<Running<A>>,
    /// How many applications of the connection still run for streams that the client has given up.
    orphans: Rc<Cell<usize>>,
    is_orphan: bool,
    timer: Timer<StreamWait>,
}

/// The reason why a stream waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamWait {
    /// Only the application.
    Application,
    /// The next piece of the body.
    Body,
    /// The client, to read.
    Write,
    /// The end of an unread body, after the response.
    Discard,
}

impl Wait for StreamWait {
    fn progress(self) -> Progress {
        match self {
            Self::Body => Progress::Received,
            Self::Write => Progress::Sent,
            Self::Application | Self::Discard => Progress::None,
        }
    }
}

impl<A: App, T: Transport> StreamTask<A, T> {
    pub(in crate::connection) fn new(
        link: Rc<StreamLink<T>>,
        call: Option<Running<A>>,
        orphans: Rc<Cell<usize>>,
    ) -> Self {
        let started = link.now.get();
        Self { link, call, orphans, is_orphan: false, timer: Timer::new(StreamWait::Application, started) }
    }

    /// Drives the stream as far as possible. Ready when nothing is left to do.
    pub(in crate::connection) fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.waker.begin_poll_again();
        let polled = loop {
            if let Some(call) = &mut self.call {
                if self.link.state().responder.is_complete() {
                    call.set_answered();
                }
                if let Poll::Ready(end) = call.poll(cx) {
                    self.call = None;
                    self.link.conclude(&mut self.link.state(), end);
                }
            }
            match self.poll_once(cx) {
                Some(ended) => break ended,
                None => continue,
            }
        };
        self.link.waker.end_poll();
        polled
    }

    /// For when another task takes over: an alarm already set would wake the previous task.
    pub(in crate::connection) fn forget_alarm(&mut self) {
        self.timer.forget_alarm();
        self.call.iter_mut().for_each(Running::forget_alarm);
    }

    /// The link, through which the connection reports its end.
    pub(in crate::connection) fn link(&self) -> &Rc<StreamLink<T>> {
        &self.link
    }

    /// Moves as many bytes as possible. `None` if the application must be polled again.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let link = Rc::clone(&self.link);
        let state = &mut *link.state();
        if !state.is_gone() {
            state.poll_body(cx);
        }
        if !state.is_gone() && !state.responder.is_flushed() && state.responder.poll_reset(cx).is_ready() {
            state.lose();
        }
        if state.fate == Fate::BrokenOff && state.responder.waiting() == 0 {
            if state.responder.poll_break_off(cx).is_pending() {
                return Some(Poll::Pending);
            }
            state.lose();
        }
        if !state.is_gone() && state.responder.is_held() && self.has_discarded(state, cx) {
            state.responder.let_go();
            state.poll_body(cx);
        }
        let over = state.is_gone() || state.responder.is_flushed();
        let is_released = state.is_gone() || over && self.has_discarded(state, cx);
        if is_released {
            state.release();
        }
        if over {
            link.observe_end(state);
        }
        if self.call.is_none() {
            if over {
                return Some(if is_released { Poll::Ready(()) } else { Poll::Pending });
            }
        } else if over {
            if state.is_gone() && self.is_abandoned() {
                return Some(Poll::Ready(()));
            }
            // If the application waits, poll it once more to tell it that nothing more comes.
            return if state.waits.clear() { None } else { Some(Poll::Pending) };
        } else if state.waits.take_send(state.responder.waiting()) {
            return None;
        }
        if self.is_late(state, cx) {
            return None;
        }
        Some(Poll::Pending)
    }

    /// Whether to cancel the application of a stream that the client has given up, because too many such run already.
    fn is_abandoned(&mut self) -> bool {
        if self.is_orphan {
            return false;
        }
        let most = self.link.engine.settings.http.http2.max_concurrent_streams as usize;
        if self.orphans.get() >= most {
            return true;
        }
        self.is_orphan = true;
        self.orphans.set(self.orphans.get() + 1);
        false
    }

    /// Whether the rest of the body has been dropped after the response, or has taken too long.
    fn has_discarded(&mut self, state: &mut StreamState<T>, cx: &mut Context<'_>) -> bool {
        // The data after a CONNECT is not a body, and has no end.
        if self.link.head.method() == b"CONNECT" || state.body.poll_discard(cx).is_ready() {
            state.body.forget();
            return true;
        }
        let is_late = self.waits_too_long(StreamWait::Discard, state, cx);
        if is_late {
            state.body.forget();
        }
        is_late
    }

    fn waits_too_long(&mut self, wait: StreamWait, state: &StreamState<T>, cx: &mut Context<'_>) -> bool {
        let now = self.link.now.get();
        let settings = &self.link.engine.settings;
        let moved = Moved { received: state.body.received(), sent: state.responder.handed_on() };
        self.timer.set(wait, 0, moved, now);
        let limit = match wait {
            StreamWait::Application => None,
            StreamWait::Body => Some(settings.http.timeout_body),
            StreamWait::Write => Some(settings.http.timeout_write),
            StreamWait::Discard => Some(DISCARD_TIME),
        };
        self.timer.poll_expired(limit, settings, || moved.sent.cast_signed(), now, cx)
    }

    /// Checks the deadline. True if the client has been too slow.
    fn is_late(&mut self, state: &mut StreamState<T>, cx: &mut Context<'_>) -> bool {
        let wait = if state.responder.waiting() > 0 {
            StreamWait::Write
        } else if state.waits.is_receiving() && !state.body.is_taken() {
            StreamWait::Body
        } else {
            StreamWait::Application
        };
        if !self.waits_too_long(wait, state, cx) {
            return false;
        }
        if wait == StreamWait::Body {
            self.link.refuse(state, Fault::Timeout);
        } else {
            state.responder.reset(Reset::Cancel);
            state.lose();
        }
        true
    }
}

impl<A: App, T: Transport> Drop for StreamTask<A, T> {
    fn drop(&mut self) {
        if self.is_orphan {
            self.orphans.set(self.orphans.get() - 1);
        }
        // Without an abort of the worker, the client has ended the connection: report the exchange.
        if self.link.engine.phase() != WorkerPhase::Aborting
            && let Some(mut state) = self.link.try_state()
        {
            self.link.observe_end(&mut state);
        }
    }
}

// Nothing in the task is pinned: calls are `Unpin` by contract.
impl<A: App, T: Transport> Unpin for StreamTask<A, T> {}

impl<A: App, T: Transport> Future for StreamTask<A, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.now.set(this.link.engine.begin_poll());
        this.link.waker.begin_poll(cx.waker());
        this.poll_stream(cx)
    }
}
