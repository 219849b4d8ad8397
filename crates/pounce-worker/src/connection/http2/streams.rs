//! The streams of one connection: how they begin, and what the connection tells all of them.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use pounce_asgi::{App, ConnectionInfo, Exchange, RequestHead};
use tokio::task::JoinSet;

use super::super::input::Input;
use super::super::observation::Observation;
use super::super::running::Running;
use super::super::websocket::{self, Opening};
use super::response::Responder;
use super::stream::StreamLink;
use super::stream_task::StreamTask;
use super::tunnel::Tunnel;
use crate::engine::{ConnectionGuard, Engine};
use crate::http2::{Request, Unfit, read_request};
use crate::output::Output;
use crate::websocket::UpgradeRequest;

/// The streams of one connection.
pub(super) struct Streams<A: App> {
    engine: Rc<Engine>,
    info: Rc<ConnectionInfo>,
    app: Rc<A>,
    connection: A::Connection,
    /// Those whose application waits, or whose response does.
    tasks: JoinSet<()>,
    /// Their links: `h2` does not tell each of them of the connection's end.
    links: Vec<Weak<StreamLink>>,
    orphans: Rc<Cell<usize>>,
    requests: u64,
}

impl<A: App> Streams<A> {
    pub(super) fn new(engine: Rc<Engine>, info: Rc<ConnectionInfo>, app: Rc<A>) -> Self {
        Self {
            connection: app.connect(&info),
            engine,
            info,
            app,
            tasks: JoinSet::new(),
            links: Vec::new(),
            orphans: Rc::default(),
            requests: 0,
        }
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether none has anything left to do, save what is with `h2`.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Cuts all of them off, and cancels their applications.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    /// Tells all of them that the connection has ended.
    pub(super) fn lose(&mut self) {
        for link in self.links.drain(..).filter_map(|link| link.upgrade()) {
            link.lose();
        }
    }

    /// Forgets those that have ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!(target: "pounce", "a stream's task has panicked");
            }
        }
    }

    /// Says which requests are open, while somebody asks for that.
    pub(super) fn count_if_asked(&self) {
        if !self.engine.is_counting() {
            return;
        }
        for link in self.links.iter().filter_map(Weak::upgrade) {
            let (head, started) = (&link.head, link.state().observation.started);
            self.engine.count(&raw const *link, head.method(), head.raw_path(), started);
        }
    }

    /// Hands a request to the application.
    pub(super) fn begin(
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
                self.tasks.spawn_local(served);
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
            if self.links.len() > 2 * self.tasks.len() + 16 {
                self.links.retain(|link| link.strong_count() > 0);
            }
            self.links.push(Rc::downgrade(stream.link()));
            self.tasks.spawn_local(stream);
        }
    }
}
