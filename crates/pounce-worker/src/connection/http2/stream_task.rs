//! The future that drives one stream whose application waits, or whose response does.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::Reason;
use pounce_asgi::App;

use super::super::HIGH_WATER;
use super::super::running::Running;
use super::super::timer::{Moved, Progress, Timer, Wait};
use super::stream::{StreamLink, StreamState};
use crate::engine::WorkerPhase;
use crate::http1::Fault;

/// How long the end of a body is waited for behind a response that is complete without it.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// One stream. Ready when its response is out and its application has returned.
pub(super) struct StreamTask<A: App> {
    link: Rc<StreamLink>,
    call: Option<Running<A>>,
    /// How many applications of the connection run on for clients that want no answer any more.
    orphans: Rc<Cell<usize>>,
    is_orphan: bool,
    timer: Timer<StreamWait>,
}

/// The reason why a stream waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamWait {
    /// The application alone.
    Application,
    /// The next piece of the body.
    Body,
    /// The client's reading.
    Write,
    /// The end of a body that nobody reads, behind the response.
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

impl<A: App> StreamTask<A> {
    pub(super) fn new(link: Rc<StreamLink>, call: Option<Running<A>>, orphans: Rc<Cell<usize>>) -> Self {
        let started = link.now.get();
        Self { link, call, orphans, is_orphan: false, timer: Timer::new(StreamWait::Application, started) }
    }

    /// Goes on as far as that is possible. Ready when there is nothing left to do.
    pub(super) fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.polling.set(true);
        let polled = loop {
            if let Some(call) = &mut self.call
                && let Poll::Ready(outcome) = call.poll(cx)
            {
                self.call = None;
                self.link.conclude(&mut self.link.state(), outcome);
            }
            match self.poll_once(cx) {
                Some(ended) => break ended,
                None => continue,
            }
        };
        self.link.polling.set(false);
        polled
    }

    /// Another task polls the stream from now on: an alarm that is set would wake the previous one.
    pub(super) fn forget_alarm(&mut self) {
        self.timer.forget_alarm();
    }

    /// What the connection tells of its end.
    pub(super) fn link(&self) -> &Rc<StreamLink> {
        &self.link
    }

    /// Moves what can be moved. `None` if the application has something to look at.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let link = Rc::clone(&self.link);
        let state = &mut *link.state();
        if !state.gone {
            state.poll_body(cx);
        }
        if !state.gone && !state.responder.is_flushed() && state.responder.poll_reset(cx).is_ready() {
            state.lose();
        }
        if state.reset_due && !state.gone && state.responder.waiting() == 0 {
            if state.responder.poll_break_off(cx).is_pending() {
                return Some(Poll::Pending);
            }
            state.lose();
        }
        if !state.gone && state.responder.is_held() && self.has_discarded(state, cx) {
            state.responder.let_go();
            state.poll_body(cx);
        }
        let over = state.gone || state.responder.is_flushed();
        let is_released = state.gone || over && self.has_discarded(state, cx);
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
            if state.gone && self.is_abandoned() {
                return Some(Poll::Ready(()));
            }
            // The application is told once that nothing more comes, if it waits for that.
            let waits = std::mem::take(&mut state.receiving) || std::mem::take(&mut state.sending);
            state.sending = false;
            return if waits { None } else { Some(Poll::Pending) };
        } else if state.responder.waiting() <= HIGH_WATER / 2 && std::mem::take(&mut state.sending) {
            return None;
        }
        if self.is_late(state, cx) {
            return None;
        }
        Some(Poll::Pending)
    }

    /// Whether the application, whose client wants no answer any more, is to be cancelled: there are many such.
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

    /// Whether the rest of the body has been dropped behind the response, or is not waited for any more.
    fn has_discarded(&mut self, state: &mut StreamState, cx: &mut Context<'_>) -> bool {
        // What follows a CONNECT is no body, and has no end.
        if self.link.head.method() == b"CONNECT" || state.poll_discard(cx).is_ready() {
            state.forget_body();
            return true;
        }
        let is_late = self.waits_too_long(StreamWait::Discard, state, cx);
        if is_late {
            state.forget_body();
        }
        is_late
    }

    fn waits_too_long(&mut self, wait: StreamWait, state: &StreamState, cx: &mut Context<'_>) -> bool {
        let now = self.link.now.get();
        let settings = &self.link.engine.settings;
        let moved = Moved { received: state.received, sent: state.responder.handed_on() };
        self.timer.set(wait, 0, moved, now);
        let limit = match wait {
            StreamWait::Application => None,
            StreamWait::Body => Some(settings.http.timeout_body),
            StreamWait::Write => Some(settings.http.timeout_write),
            StreamWait::Discard => Some(DISCARD_TIME),
        };
        self.timer.poll_expired(limit, settings, || moved.sent.cast_signed(), now, cx)
    }

    /// Looks at the clock. True if the client has been too slow.
    fn is_late(&mut self, state: &mut StreamState, cx: &mut Context<'_>) -> bool {
        let wait = if state.responder.waiting() > 0 {
            StreamWait::Write
        } else if state.receiving && !state.body_taken {
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
            state.responder.reset(Reason::CANCEL);
            state.lose();
        }
        true
    }
}

impl<A: App> Drop for StreamTask<A> {
    fn drop(&mut self) {
        if self.is_orphan {
            self.orphans.set(self.orphans.get() - 1);
        }
        // Cut off with its connection, which is the client's doing unless the worker is told to stop at once.
        if self.link.engine.phase() != WorkerPhase::Aborting
            && let Some(mut state) = self.link.try_state()
        {
            self.link.observe_end(&mut state);
        }
    }
}

// Nothing in it is pinned in place: calls are `Unpin` by contract.
impl<A: App> Unpin for StreamTask<A> {}

impl<A: App> Future for StreamTask<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.link.now.set(this.link.engine.begin_poll());
        this.link.set_waker(cx.waker());
        this.poll_stream(cx)
    }
}
