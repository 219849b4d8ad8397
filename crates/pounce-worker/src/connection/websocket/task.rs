//! The future that drives one WebSocket: its carrier and the application's call, side by side.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use pounce_asgi::{App, Outcome, RequestHead, Socket};
use pounce_metrics::WorkerMetrics;

use super::super::LINGER;
use super::super::observation::{End, Observation};
use super::super::running::{CallEnd, Running};
use super::super::timer::{Moved, Progress, Timer, Wait};
use super::link::WebSocketLink;
use super::phase::{WebSocketEnd, WebSocketPhase};
use super::state::WebSocketState;
use crate::engine::{ConnectionGuard, WorkerPhase};

/// How long to wait for the client's close frame.
const CLOSE: Duration = Duration::from_secs(10);

/// One WebSocket. Ready when it has ended and the application has returned.
pub(in crate::connection) struct Task<A: App> {
    link: Rc<WebSocketLink>,
    call: Option<Running<A>>,
    connection_guard: ConnectionGuard,
    /// The connection guard has the task's waker.
    is_known: bool,
    path: Box<[u8]>,
    /// The request, if anybody observes it.
    head: Option<Box<RequestHead>>,
    observation: Observation,
    timer: Timer<WebSocketWait>,
}

/// The reason why a WebSocket waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WebSocketWait {
    /// The application or the client, without a deadline.
    Nothing,
    /// The time for a ping.
    Ping,
    /// Any bytes from the client after a ping.
    Pong,
    /// The client, to read.
    Write,
    /// The application, to answer the messages before the client's fault.
    Answer,
    /// The client's close frame.
    Close,
    /// The client, to close the connection.
    Linger,
}

impl Wait for WebSocketWait {
    fn progress(self) -> Progress {
        match self {
            Self::Ping | Self::Pong => Progress::Received,
            Self::Write => Progress::Sent,
            _ => Progress::None,
        }
    }

    fn is_paced(self) -> bool {
        self == Self::Write
    }
}

impl<A: App> Task<A> {
    pub(super) fn new(
        link: Rc<WebSocketLink>,
        (app, connection): (&A, &A::Connection),
        head: RequestHead,
        connection_guard: ConnectionGuard,
        observation: Observation,
    ) -> Self {
        let is_observed = link.engine.observer.is_some() || link.engine.settings.metrics.is_some();
        let socket = Socket::new(Rc::clone(&link) as _);
        let peer = &observation.peer;
        let call = Running::begin(&link.engine, || app.websocket(connection, peer, &head, socket));
        Self {
            link,
            call: Some(call),
            connection_guard,
            is_known: false,
            path: head.raw_path().into(),
            // Only observers need the head later.
            head: is_observed.then(|| Box::new(head)),
            timer: Timer::new(WebSocketWait::Nothing, observation.started),
            observation,
        }
    }
}

impl<A: App> Drop for Task<A> {
    fn drop(&mut self) {
        // Without an abort of the worker, the client has ended the connection: report the exchange.
        if self.link.engine.phase() != WorkerPhase::Aborting
            && let Some(state) = self.link.try_state()
        {
            observe_end(&mut self.observation, &mut self.head, &state, &self.link);
        }
        // The application may keep its side, and so the state, alive.
        if let Some(mut state) = self.link.try_state() {
            state.abandon();
            if state.is_accepted {
                self.link.engine.count_metric(WorkerMetrics::websocket_closed);
            }
        }
    }
}

// Nothing in the task is pinned: calls are `Unpin` by contract.
impl<A: App> Unpin for Task<A> {}

impl<A: App> Future for Task<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let link = Rc::clone(&this.link);
        link.now.set(link.engine.begin_poll());
        link.waker.begin_poll(cx.waker());
        // A WebSocket stays in one task: setting the guard's waker once is enough.
        if !std::mem::replace(&mut this.is_known, true) {
            this.connection_guard.set_waker(cx.waker());
        }
        if link.engine.phase() == WorkerPhase::Aborting {
            link.state().lose();
            return Poll::Ready(());
        }
        if link.engine.is_counting() {
            link.engine.count(&raw const *link, b"WebSocket", &this.path, this.observation.started);
        }
        loop {
            this.poll_once(cx);
            let Some(again) = this.wait(cx) else { break };
            if !again {
                link.waker.end_poll();
                return Poll::Pending;
            }
        }
        link.waker.end_poll();
        Poll::Ready(())
    }
}

impl<A: App> Task<A> {
    /// Reads, polls the application, writes.
    fn poll_once(&mut self, cx: &mut Context<'_>) {
        let link = &self.link;
        let phase = {
            let mut state = link.state();
            if link.engine.phase() != WorkerPhase::Serving {
                state.restart(&link.engine, link.now.get());
            }
            state.poll_input(&link.engine, cx);
            state.phase
        };
        // It has no deadline, so it ends by itself.
        if let Some(call) = &mut self.call
            && let Poll::Ready(CallEnd::Ended(outcome)) = call.poll(cx)
        {
            self.call = None;
            self.conclude(outcome);
        }
        let state = &mut *self.link.state();
        // The application has closed, or come to an invalid message: read again, for the new phase.
        if state.phase != phase {
            state.poll_input(&self.link.engine, cx);
        }
        self.observation.head(&self.link.engine, state.status);
        // If bytes are left, the timer watches the client.
        let _ = state.poll_output(&self.link.engine, cx);
    }

    /// Ends the WebSocket for an application that has returned.
    fn conclude(&self, outcome: Outcome) {
        let link = &self.link;
        let state = &mut *link.state();
        match state.phase {
            WebSocketPhase::Connecting | WebSocketPhase::Denying if !state.carrier.is_head_sent() => {
                if outcome == Outcome::Returned {
                    tracing::error!(
                        target: "pounce",
                        "the application returned without accepting or denying the WebSocket {}",
                        self.path.escape_ascii(),
                    );
                }
                state.deny(&link.engine, 500, "Internal Server Error", link.now.get());
            }
            // Half a denial: make the break visible to the client.
            WebSocketPhase::Connecting | WebSocketPhase::Denying => {
                state.carrier.cut_short();
                state.denied();
            }
            WebSocketPhase::Open if outcome == Outcome::Failed => state.close(1011, "Internal Error"),
            WebSocketPhase::Open => state.close(1000, ""),
            _ => {}
        }
    }

    /// Checks the phase and the deadline. `None` when the WebSocket is over, true to poll again at once.
    fn wait(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let now = self.link.now.get();
        let state = &mut *self.link.state();
        if state.phase == WebSocketPhase::Leaving && state.waiting() == 0 {
            if !state.shut_down {
                match state.carrier.poll_shutdown(cx) {
                    Poll::Ready(_) => state.shut_down = true,
                    Poll::Pending => {}
                }
            }
            if state.shut_down && state.end_of_input {
                state.lose();
            }
        }
        if state.phase == WebSocketPhase::Gone {
            observe_end(&mut self.observation, &mut self.head, state, &self.link);
            self.call.as_ref()?;
            // Poll the application again if it waits: `receive()` can now return the end.
            return Some(state.waits.clear());
        }
        let mut wait = waits_for(state, self.timer.wait());
        if self.timer.set(wait, 0, moved(state), now) && wait == WebSocketWait::Pong {
            // Any sign of life answers the ping.
            wait = WebSocketWait::Ping;
            self.timer.set(wait, 0, moved(state), now);
        }
        let settings = &self.link.engine.settings;
        let limit = match wait {
            WebSocketWait::Nothing => None,
            WebSocketWait::Ping => state.settings.ping_interval,
            WebSocketWait::Pong => state.settings.ping_timeout,
            WebSocketWait::Write => Some(settings.http.timeout_write),
            WebSocketWait::Close => Some(CLOSE),
            WebSocketWait::Linger | WebSocketWait::Answer => Some(LINGER),
        };
        let late = self.timer.poll_expired(limit, settings, || state.carrier.taken(), now, cx);
        if !late {
            // If the application waits for something that has arrived since, poll it again. It must register its wait
            // again, so a call that has lost interest cannot make this loop spin.
            let unwritten = state.waiting();
            let writable = state.waits.take_send(unwritten);
            let readable = state.has_event() && state.waits.take_receive();
            let told = self.call.is_some() && (readable || writable);
            return Some(told || std::mem::take(&mut state.has_taken) || state.may_go_on());
        }
        match wait {
            WebSocketWait::Ping => {
                state.prepare_output(&self.link.engine);
                let payload = fastrand::u32(..).to_be_bytes();
                state.sender.ping(&payload, &mut state.output);
                let _ = state.poll_output(&self.link.engine, cx);
                self.timer.set(WebSocketWait::Pong, 0, moved(state), now);
            }
            WebSocketWait::Pong => {
                // The client gets close code 1011; the application sees a lost connection.
                state.end.get_or_insert(WebSocketEnd { code: 1006, reason: String::new() });
                state.fail(1011, "keepalive ping timeout");
            }
            WebSocketWait::Answer => state.fail_for_fault(),
            WebSocketWait::Close | WebSocketWait::Linger | WebSocketWait::Write => state.lose(),
            WebSocketWait::Nothing => {}
        }
        Some(true)
    }
}

fn moved(state: &WebSocketState) -> Moved {
    Moved { received: state.received, sent: state.carrier.sent() }
}

fn waits_for(state: &WebSocketState, before: WebSocketWait) -> WebSocketWait {
    if state.waiting() > 0 && before != WebSocketWait::Pong {
        return WebSocketWait::Write;
    }
    match state.phase {
        WebSocketPhase::Closing => WebSocketWait::Close,
        WebSocketPhase::Leaving => WebSocketWait::Linger,
        WebSocketPhase::Open if state.is_faulty() => WebSocketWait::Answer,
        // A client that is not read from cannot answer a ping.
        WebSocketPhase::Open if !state.is_reading() => WebSocketWait::Nothing,
        WebSocketPhase::Open if before == WebSocketWait::Pong => WebSocketWait::Pong,
        WebSocketPhase::Open => WebSocketWait::Ping,
        _ => WebSocketWait::Nothing,
    }
}

/// Reports the end of the exchange to the observer, once.
fn observe_end(
    observation: &mut Observation,
    head: &mut Option<Box<RequestHead>>,
    state: &WebSocketState,
    link: &WebSocketLink,
) {
    let Some(head) = head.take() else { return };
    let end = End {
        response_fields: &state.response_head.fields,
        status: state.status,
        is_websocket: state.is_accepted,
        client_left: false,
        body_bytes: state.sent,
    };
    observation.end(&link.engine, &link.info, &head, &end);
}
