//! An application that blocks the worker's thread.

use std::future::Ready;
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Peer, RequestHead, Socket};
use pounce_worker::Settings;
use pounce_worker::test_apps::HelloApp;

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
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                let mut piece = [0; 1024];
                let count = kept.read(&mut piece).expect("an answer");
                assert_ne!(count, 0, "closed");
                answer.extend_from_slice(&piece[..count]);
            }
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
