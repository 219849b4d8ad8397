//! The future that drives one stream whose application waits, or whose response does.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use h2::Reason;
use pounce_asgi::App;

use super::super::HIGH_WATER;
use super::super::alarm::Alarm;
use super::super::pace::{Pace, earlier};
use super::super::running::Running;
use super::stream::{StreamLink, StreamState};
use crate::engine::WorkerPhase;
use crate::http1::Fault;

/// How long the end of a body is waited for behind a response that is complete without it.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// One stream. Ready when its response is out and its application has returned.
pub(super) struct StreamTask<A: App> {
    link: Rc<StreamLink>,
    call: Option<Running<A>>,
    started: Instant,
    /// How many applications of the connection run on for clients that want no answer any more.
    orphans: Rc<Cell<usize>>,
    is_orphan: bool,
    recorded: bool,
    wait: StreamWait,
    since: Instant,
    /// What was received and handed on when the clock was looked at last.
    moved: (u64, u64),
    /// How fast the body comes.
    body: Pace,
    /// How fast the client lets the response through.
    reader: Pace,
    alarm: Alarm,
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

impl<A: App> StreamTask<A> {
    pub(super) fn new(
        link: Rc<StreamLink>,
        call: Option<Running<A>>,
        started: Instant,
        orphans: Rc<Cell<usize>>,
    ) -> Self {
        Self {
            link,
            call,
            started,
            orphans,
            is_orphan: false,
            recorded: false,
            wait: StreamWait::Application,
            since: started,
            moved: (0, 0),
            body: Pace::default(),
            reader: Pace::default(),
            alarm: Alarm::default(),
        }
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
        self.alarm = Alarm::default();
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
        if over && !std::mem::replace(&mut self.recorded, true) {
            link.record(state, self.started);
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
        let most = self.link.engine.settings.http2.max_concurrent_streams as usize;
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
        let now = self.link.now.get();
        if self.wait != StreamWait::Discard {
            self.wait = StreamWait::Discard;
            self.since = now;
        }
        let deadline = self.since.checked_add(DISCARD_TIME);
        let is_late = deadline.is_none_or(|deadline| self.alarm.poll_expired(deadline, now, cx));
        if is_late {
            state.forget_body();
        }
        is_late
    }

    /// Looks at the clock. True if the client has been too slow.
    fn is_late(&mut self, state: &mut StreamState, cx: &mut Context<'_>) -> bool {
        let now = self.link.now.get();
        let (received, handed_on) = (state.received, state.responder.handed_on());
        let before = std::mem::replace(&mut self.moved, (received, handed_on));
        let (read, written) = (received != before.0, handed_on != before.1);
        let (wait, progress) = if state.responder.waiting() > 0 {
            (StreamWait::Write, written)
        } else if state.receiving && !state.body_taken {
            (StreamWait::Body, read)
        } else {
            (StreamWait::Application, false)
        };
        if wait != self.wait || progress {
            self.wait = wait;
            self.since = now;
        }
        let settings = &self.link.engine.settings;
        if wait != StreamWait::Body {
            self.body.pause(now);
        }
        if wait != StreamWait::Write {
            self.reader.end();
        }
        let (limit, paced) = match wait {
            StreamWait::Application | StreamWait::Discard => return false,
            StreamWait::Body => {
                let count = || received.cast_signed();
                (settings.body_timeout, self.body.wait(settings.min_body_rate, now, count))
            }
            StreamWait::Write => {
                let count = || handed_on.cast_signed();
                (settings.write_timeout, self.reader.wait(settings.min_read_rate, now, count))
            }
        };
        let Some(deadline) = earlier(self.since.checked_add(limit), paced) else { return false };
        if !self.alarm.poll_expired(deadline, now, cx) {
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
        if !self.recorded
            && self.link.engine.phase() != WorkerPhase::Aborting
            && let Some(state) = self.link.try_state()
        {
            self.link.record(&state, self.started);
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
