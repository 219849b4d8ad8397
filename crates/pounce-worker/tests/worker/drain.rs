//! Draining that begins at an awkward moment: no request that a client may still send is lost.

use std::cell::RefCell;
use std::future::{Future, Ready, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Payload, Peer, RequestHead, ResponseHead, Socket};
use pounce_worker::Settings;
use pounce_worker::test_apps::HelloApp;
use tokio::sync::oneshot;

use crate::{connect, with_worker};

/// Answers; for `/block` it says first that it blocks, and blocks until it is told to go on.
struct BlockingApp {
    hello: HelloApp,
    blocks: Sender<()>,
    go_on: Receiver<()>,
}

impl App for BlockingApp {
    type Connection = ();
    type Call = Ready<Outcome>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Self::Call {
        if head.raw_path() == b"/block" {
            self.blocks.send(()).expect("the test waits for it");
            self.go_on.recv().expect("the test goes on");
        }
        self.hello.http(&(), peer, head, exchange)
    }

    fn websocket(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, socket: Socket) -> Self::Call {
        self.hello.websocket(&(), peer, head, socket)
    }
}

/// Reads an answer whose body is "hello", and returns it.
fn read_hello(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).expect("an answer");
        assert_ne!(count, 0, "closed");
        answer.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(answer).expect("text")
}

#[test]
fn a_request_that_came_while_the_thread_was_blocked_is_answered_though_the_worker_drains() {
    let (blocks, blocked) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel();
    with_worker(
        Settings::default(),
        move || BlockingApp { hello: HelloApp::new("hello"), blocks, go_on },
        move |address, drain| {
            let mut kept = connect(address);
            kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            read_hello(&mut kept);
            let mut other = connect(address);
            other.write_all(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            blocked.recv().expect("the application is called");
            // Longer than a draining worker waits for one more request.
            thread::sleep(Duration::from_millis(300));
            drain.send(()).expect("the worker listens");
            kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            goes_on.send(()).expect("the application waits");
            let mut answer = String::new();
            kept.read_to_string(&mut answer).expect("closed in order");
            assert!(answer.contains("connection: close\r\n") && answer.ends_with("hello"), "{answer}");
        },
    );
}

/// Answers. The first answer comes from another task, which has the worker drain just before, so that the connection notices both at
/// once.
struct DrainingApp {
    hello: HelloApp,
    drain: RefCell<Option<Receiver<oneshot::Sender<()>>>>,
}

impl App for DrainingApp {
    type Connection = ();
    type Call = Pin<Box<dyn Future<Output = Outcome>>>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Self::Call {
        let Some(drain) = self.drain.take() else {
            return Box::pin(self.hello.http(&(), peer, head, exchange));
        };
        let answering = tokio::task::spawn_local(async move {
            drain.recv().expect("a sender").send(()).expect("the worker listens");
            // The worker stops accepting first, in two steps of its tasks.
            for _ in 0..2 {
                let mut waited = false;
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
            let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
            let sent = exchange.start(&mut head);
            sent.and_then(|()| exchange.body(Payload::Borrowed(b"hello"), false)).expect("sent");
        });
        Box::pin(async move {
            answering.await.expect("no panic");
            Outcome::Returned
        })
    }

    fn websocket(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, socket: Socket) -> Self::Call {
        Box::pin(self.hello.websocket(&(), peer, head, socket))
    }
}

#[test]
fn a_connection_that_a_response_promised_to_keep_takes_one_more_request() {
    let (drains, drain) = mpsc::channel();
    with_worker(
        Settings::default(),
        move || DrainingApp { hello: HelloApp::new("hello"), drain: RefCell::new(Some(drain)) },
        move |address, drain| {
            drains.send(drain).expect("the application takes it");
            let mut kept = connect(address);
            kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            let promised = read_hello(&mut kept);
            assert!(!promised.contains("connection: close"), "{promised}");
            kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            let mut answer = String::new();
            kept.read_to_string(&mut answer).expect("closed in order");
            assert!(answer.contains("connection: close\r\n") && answer.ends_with("hello"), "{answer}");
        },
    );
}
