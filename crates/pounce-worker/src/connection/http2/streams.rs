//! The streams of one connection: beginning them, and telling all of them about the connection's end.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use pounce_asgi::{App, ConnectionInfo, Exchange, RequestHead, ResponseHead};
use tokio::task::JoinSet;

use super::super::input::Input;
use super::super::monitoring;
use super::super::observation::Observation;
use super::super::running::Running;
use super::super::stream::{Responder, StreamLink, StreamRequest, StreamTask, Tunnel};
use super::super::websocket::{self, Opening};
use super::transport::Http2;
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
    /// The tasks of streams whose application or response waits.
    tasks: JoinSet<()>,
    /// The links of these streams, to tell them about the connection's end: `h2` does not tell every stream.
    links: Vec<Weak<StreamLink<Http2>>>,
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

    /// How many requests have arrived.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether all streams are done; `h2` may still hold unsent data.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Aborts all streams and cancels their applications.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    /// Tells all streams that the connection has ended.
    pub(super) fn lose(&mut self) {
        for link in self.links.drain(..).filter_map(|link| link.upgrade()) {
            link.lose();
        }
    }

    /// Removes the tasks that have ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!(target: "pounce", "a stream's task has panicked");
            }
        }
    }

    /// Reports the open requests, if a census is under way.
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
        let (parts, receive) = request.into_parts();
        let mut request = match read_request(&parts, &self.engine.settings.http.limits) {
            Ok(request) => request,
            Err(Unfit::Reset(reason)) => return respond.send_reset(reason),
            Err(Unfit::Answer(fault)) => {
                let none = StreamRequest {
                    head: RequestHead::default(),
                    receive,
                    responder: Responder::new(respond, parts.method == http::Method::HEAD, false),
                    expects_continue: false,
                    observation: Observation::none(&self.info, now),
                };
                return self.answer(none, self.engine.refuse(fault.status(), &fault.to_string()), cx);
            }
        };
        let observation = Observation::begin(&self.engine, &self.info, &mut request.head, now);
        if request.websocket {
            return self.begin_websocket(request, receive, respond, observation, cx);
        }
        let is_head = request.head.method() == b"HEAD";
        let responder = Responder::new(respond, is_head, request.head.accepts_trailers());
        let (id, peer) = (responder.stream_id(), Rc::clone(&observation.peer));
        let Request { head, expects_continue, .. } = request;
        let request = StreamRequest { head, receive, responder, expects_continue, observation };
        if let Some(answer) = monitoring::answer(&self.engine, &request.head) {
            return self.answer(request, answer, cx);
        }
        if self.engine.is_busy() {
            return self.answer(request, self.engine.refuse(503, "the server is busy"), cx);
        }
        let link = self.link(request);
        let exchange = Exchange::new(Rc::clone(&link) as _, id);
        let app = &self.app;
        let call =
            Running::begin_timed(&self.engine, || app.http(&self.connection, &peer, &link.head, exchange));
        self.go_on(link, Some(call), cx);
    }

    /// Answers a request without the application.
    fn answer(
        &mut self,
        request: StreamRequest<Http2>,
        response: (ResponseHead, String),
        cx: &mut Context<'_>,
    ) {
        let link = self.link(request);
        link.answer(&mut link.state(), response);
        self.go_on(link, None, cx);
    }

    /// Hands a request for a WebSocket to the application (RFC 8441).
    fn begin_websocket(
        &mut self,
        request: Request,
        receive: RecvStream,
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
                    carrier: Box::new(Tunnel::<Http2>::new(receive, responder)),
                    input: Input::default(),
                    output: Output::new(),
                    head: request.head,
                    request: upgrade,
                    observation,
                };
                // The connection is already counted.
                let guard = ConnectionGuard::of_stream(&engine);
                let served = websocket::serve(opening, info, guard, engine, (&*self.app, &self.connection));
                self.tasks.spawn_local(served);
            }
            Err(refusal) => {
                let head = request.head;
                let request =
                    StreamRequest { head, receive, responder, expects_continue: false, observation };
                self.answer(request, self.engine.refuse(refusal.status, refusal.detail), cx);
            }
        }
    }

    fn link(&self, request: StreamRequest<Http2>) -> Rc<StreamLink<Http2>> {
        StreamLink::new(Rc::clone(&self.engine), Rc::clone(&self.info), request)
    }

    /// Drives a stream: here, if it ends at once, else in a new task.
    fn go_on(&mut self, link: Rc<StreamLink<Http2>>, call: Option<Running<A>>, cx: &mut Context<'_>) {
        let mut stream = StreamTask::new(link, call, Rc::clone(&self.orphans));
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
