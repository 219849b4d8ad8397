//! What an observer learns of exchanges.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pounce_worker::test_apps::{EchoApp, FailingApp};
use pounce_worker::{ExchangeRecord, ObservedRequest, Observer, Settings};

use super::{LAST, connect, exchange, with_observed_worker};

/// Writes down what it learns: `begin 1 GET /a`, `head 1 200`, `end 1 200 0`.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn push(&self, note: String) {
        self.0.lock().expect("no panic").push(note);
    }
}

impl Observer for Notes {
    fn begin(&self, number: u64, request: &ObservedRequest<'_>) {
        assert_eq!(request.peer, &*request.connection.peer);
        let head = request.head;
        self.push(format!(
            "begin {number} {} {}",
            head.method().escape_ascii(),
            head.raw_path().escape_ascii()
        ));
    }

    fn head(&self, number: u64, status: u16) {
        self.push(format!("head {number} {status}"));
    }

    fn end(&self, number: u64, record: &ExchangeRecord<'_>) {
        assert!(record.request.head.raw_path().starts_with(b"/"));
        self.push(format!("end {number} {} {}", record.status, record.body_bytes));
    }
}

/// What is observed of a worker while `client` runs against it.
fn observed(
    settings: Settings,
    app: impl pounce_asgi::App + Send,
    client: impl FnOnce(SocketAddr),
) -> Vec<String> {
    let notes = Notes::default();
    let observer = notes.clone();
    with_observed_worker(
        settings,
        move || (app, Some(Box::new(observer) as _)),
        |address, _drain| client(address),
    );
    std::mem::take(&mut *notes.0.lock().expect("no panic"))
}

#[test]
fn each_request_begins_has_a_head_and_ends() {
    let notes = observed(Settings::default(), EchoApp, |address| {
        let answer = exchange(
            address,
            &format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET /b HTTP/1.1\r\n{LAST}"),
        );
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
        exchange(address, &format!("GET /c HTTP/1.1\r\n{LAST}"));
    });
    assert_eq!(
        notes,
        [
            "begin 1 POST /a",
            "head 1 200",
            "end 1 200 2",
            "begin 2 GET /b",
            "head 2 200",
            "end 2 200 0",
            "begin 3 GET /c",
            "head 3 200",
            "end 3 200 0",
        ]
    );
}

#[test]
fn what_the_server_answers_for_the_application_is_observed_and_what_is_no_request_is_not() {
    let notes = observed(Settings::default(), FailingApp, |address| {
        assert!(exchange(address, &format!("GET / HTTP/1.1\r\n{LAST}")).starts_with("HTTP/1.1 500 "));
        assert!(exchange(address, "GET /b\r\n\r\n").starts_with("HTTP/1.1 400 "));
    });
    assert_eq!(notes, ["begin 1 GET /", "head 1 500", "end 1 500 22"]);
}

#[test]
fn a_client_that_leaves_ends_its_exchange() {
    let notes = observed(Settings::default(), EchoApp, |address| {
        let mut stream = connect(address);
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nok").expect("sent");
        drop(stream);
    });
    // What it had sent was echoed, and the rest never came.
    assert_eq!(notes, ["begin 1 POST /a", "head 1 200", "end 1 499 2"]);
}

#[test]
fn a_websocket_is_one_exchange() {
    let notes = observed(Settings::default(), EchoApp, |address| {
        let mut stream = connect(address);
        let request = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        // A masked close frame without a code.
        stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("closed");
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
    });
    assert_eq!(notes, ["begin 1 GET /ws", "head 1 101", "end 1 101 0"]);
}

#[test]
fn the_streams_of_a_connection_are_observed_each_by_itself() {
    let notes = observed(Settings::default(), EchoApp, |address| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
            let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
            let driver = tokio::spawn(connection);
            let mut client = client.ready().await.expect("ready");
            for path in ["/a", "/b"] {
                let request = http::Request::post(format!("http://a{path}")).body(()).expect("a request");
                let (response, mut body) = client.send_request(request, false).expect("sent");
                body.send_data(Bytes::from_static(b"body"), true).expect("sent");
                let mut answer = response.await.expect("answered").into_body();
                while let Some(piece) = answer.data().await {
                    assert_eq!(piece.expect("a piece"), "body");
                }
            }
            drop(client);
            driver.await.expect("no panic").expect("closed");
        });
    });
    assert_eq!(
        notes,
        ["begin 1 POST /a", "head 1 200", "end 1 200 4", "begin 2 POST /b", "head 2 200", "end 2 200 4"]
    );
}
