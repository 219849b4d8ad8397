//! A worker and test applications over real sockets, without Python.

mod drain;
mod observer;
mod rates;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pounce_asgi::App;
use pounce_net::{BindOptions, Endpoint, LocalAddr, bind};
use pounce_worker::test_apps::{EchoApp, FailingApp, HelloApp, SlowApp};
use pounce_worker::{Drained, Observer, Queue, Settings, Worker};
use tokio::sync::oneshot;

/// Runs a worker on its own thread, `client` against it, then drains the worker.
fn with_worker<A: App>(
    settings: Settings,
    app: impl FnOnce() -> A + Send + 'static,
    client: impl FnOnce(SocketAddr, oneshot::Sender<()>),
) -> Drained {
    with_observed_worker(settings, || (app(), None), client)
}

/// The same with an observer; the functions are called on the worker's thread.
fn with_observed_worker<A: App>(
    settings: Settings,
    app: impl FnOnce() -> (A, Option<Box<dyn Observer>>) + Send + 'static,
    client: impl FnOnce(SocketAddr, oneshot::Sender<()>),
) -> Drained {
    let (address, bound) = mpsc::channel();
    let (drain, draining) = oneshot::channel();
    let worker = thread::spawn(move || {
        let endpoint: Endpoint = "127.0.0.1:0".parse().expect("an address");
        let listeners = bind(&endpoint, &BindOptions::default()).expect("a free port");
        if let LocalAddr::Tcp(local) = listeners[0].local_addr() {
            address.send(*local).expect("the test waits for it");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime");
        let (app, observer) = app();
        let worker = Worker::new(settings, Rc::new(app), observer);
        let drain = async {
            // Dropping the sender drains too.
            let _ = draining.await;
            Queue::Take
        };
        // A task among others, as beside asyncio's loop; `block_on` would poll it before all of them.
        let serving =
            async { tokio::task::spawn_local(async move { worker.serve(listeners, drain).await }).await };
        runtime.block_on(serving).expect("no panic").expect("served")
    });
    client(bound.recv().expect("bound"), drain);
    worker.join().expect("no panic")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

/// Sends `request` and reads until the connection closes.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer
}

const LAST: &str = "Host: a\r\nConnection: close\r\n\r\n";

#[test]
fn a_response_has_the_fields_of_the_application_and_of_the_server() {
    with_worker(
        Settings::default(),
        || HelloApp::new("hello"),
        |address, _drain| {
            let answer = exchange(address, &format!("GET / HTTP/1.1\r\n{LAST}"));
            assert!(
                answer.starts_with(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\ndate: "
                )
            );
            assert!(answer.ends_with("\r\nserver: pounce\r\nconnection: close\r\n\r\nhello"), "{answer}");
        },
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    with_worker(
        Settings::default(),
        || EchoApp,
        |address, _drain| {
            let mut requests: String = (0..50)
                .map(|n| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{n:02}"))
                .collect();
            requests += &format!("POST / HTTP/1.1\r\nContent-Length: 3\r\n{LAST}end");
            let answer = exchange(address, &requests);
            let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).map(|rest| &rest[..2]).collect();
            let wanted: Vec<String> = (0..50).map(|n| format!("{n:02}")).chain(["en".to_owned()]).collect();
            assert_eq!(bodies, wanted);
        },
    );
}

#[test]
fn a_large_chunked_body_comes_back_byte_for_byte() {
    with_worker(
        Settings::default(),
        || EchoApp,
        |address, _drain| {
            let body: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
            let mut stream = connect(address);
            let mut writer = stream.try_clone().expect("a duplicate");
            let sent = body.clone();
            let upload = thread::spawn(move || {
                writer
                    .write_all(
                        format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n", sent.len()).as_bytes(),
                    )
                    .expect("sent");
                writer.write_all(&sent).expect("sent");
            });
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("read");
            upload.join().expect("sent");
            assert!(answer.ends_with(&body));
        },
    );
}

#[test]
fn a_failure_is_a_500_or_visibly_cut_short() {
    with_worker(
        Settings::default(),
        || FailingApp,
        |address, _drain| {
            assert!(exchange(address, &format!("GET / HTTP/1.1\r\n{LAST}")).starts_with("HTTP/1.1 500 "));
            let half = exchange(address, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(half.ends_with("\r\n\r\n4\r\nhalf\r\n"), "{half}");
        },
    );
}

#[test]
fn a_request_that_runs_when_draining_begins_is_answered_and_its_connection_closed() {
    let drained = with_worker(
        Settings::default(),
        || SlowApp(Duration::from_millis(300)),
        |address, drain| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            thread::sleep(Duration::from_millis(100));
            drain.send(()).expect("the worker listens");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("read");
            assert!(answer.contains("connection: close\r\n") && answer.ends_with("slow"), "{answer}");
        },
    );
    assert_eq!(drained.aborted, 0);
}

#[test]
fn a_request_that_outlives_the_drain_timeout_is_aborted() {
    let mut settings = Settings::default();
    settings.lifecycle.timeout_graceful_shutdown = Duration::from_millis(100);
    let drained = with_worker(
        settings,
        || SlowApp(Duration::from_secs(3600)),
        |address, drain| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            thread::sleep(Duration::from_millis(100));
            drain.send(()).expect("the worker listens");
            let mut answer = Vec::new();
            // Closed or reset: either way there is no answer.
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(answer, b"");
        },
    );
    assert_eq!(drained.aborted, 1);
}

#[test]
fn a_silent_client_is_disconnected() {
    let mut settings = Settings::default();
    settings.http.timeout_header = Duration::from_millis(100);
    with_worker(
        settings,
        || EchoApp,
        |address, _drain| {
            assert_eq!(exchange(address, ""), "");
            assert!(exchange(address, "GET / HTTP/1.1\r\nHos").starts_with("HTTP/1.1 408 "));
        },
    );
}
