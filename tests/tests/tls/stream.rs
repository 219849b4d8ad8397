//! The encrypted stream of a connection: its records, its keys, and its end.

use pounce_tests::attack::growth_kib;
use pounce_tests::notes::token;
use pounce_tests::{Client, Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("transport:app").tls()))
}

/// A connection after its first response, and so after everything that follows a handshake.
fn settled() -> Client {
    let mut client = server().connect();
    client.get("/hello").response().expect(200);
    client
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn head_and_body_of_a_small_response_are_one_record() {
    for path in ["/hello", "/big/10000", "/status/404"] {
        let mut client = settled();
        client.get(path);
        let records = client.tls_stream().expect("it is TLS").peek_records();
        assert_eq!(records.len(), 1, "{path}: {records:?}");
        assert_eq!(records[0].0, 23, "application data");
        client.response();
    }
}

#[test]
fn a_large_response_is_in_large_records() {
    let mut client = settled();
    client.get("/big/40000");
    let records = client.tls_stream().expect("it is TLS").peek_records();
    assert!(records.len() <= 4, "{records:?}");
    assert_eq!(client.response().expect(200).body.len(), 40_000);
}

#[test]
fn a_request_in_tiny_records_is_understood() {
    let mut client = settled();
    for byte in post("/echo", b"some content") {
        client.send([byte]);
    }
    assert_eq!(client.response().expect(200).text(), "some content");
}

#[test]
fn requests_that_share_a_record_are_all_answered() {
    let mut client = settled();
    client.send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n".repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response().expect(200).text(), "hello");
    }
}

#[test]
fn a_large_body_after_a_request_in_the_same_records_is_whole() {
    let body: Vec<u8> = (0..300_000_u32).map(|at| u8::try_from(at % 251).expect("less than 251")).collect();
    let mut client = settled();
    let mut sender = client.other_half();
    let bytes = [post("/echo", &body), b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n".to_vec()].concat();
    let sending = std::thread::spawn(move || {
        sender.send(bytes);
    });
    assert!(client.response().expect(200).body == body);
    assert_eq!(client.response().expect(200).text(), "hello");
    sending.join().expect("everything was sent");
}

#[test]
fn new_keys_in_the_middle_of_a_connection_are_taken() {
    let mut client = settled();
    for number in 0..5 {
        client.tls_stream().expect("it is TLS").change_keys();
        client.send(post("/echo", format!("{number}").as_bytes()));
        assert_eq!(client.response().expect(200).text(), number.to_string());
    }
    let body = vec![b'x'; 200_000];
    let (first, second) = body.split_at(100_000);
    let whole = post("/count", &body);
    client.send(&whole[..whole.len() - body.len()]).send(first);
    client.tls_stream().expect("it is TLS").change_keys();
    client.send(second);
    assert_eq!(client.response().expect(200).text(), "200000");
}

#[test]
fn a_body_that_is_cut_off_is_no_whole_body() {
    for (framing, start) in
        [("Content-Length: 10\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n")]
    {
        for polite in [true, false] {
            let token = token();
            let mut client = settled();
            client.send(format!("POST /count/{token} HTTP/1.1\r\nHost: test\r\n{framing}\r\n{start}"));
            if polite {
                client.finish_sending();
            } else {
                client.abort();
            }
            server().wait_note(&token, "disconnect after ");
        }
    }
}

#[test]
fn connections_leave_nothing_behind() {
    let server = Server::start(Options::app("transport:app").tls().flag("--no-access-log"));
    let connect = |count: usize| {
        for number in 0..count {
            let mut client = server.connect();
            client.get("/hello").response().expect(200);
            if number % 3 == 0 {
                client.abort();
            }
        }
    };
    connect(300);
    let files = server.fd_count();
    let growth = growth_kib(&server, || connect(1000));
    assert!(growth < 4 * 1024, "grew by {growth} KiB");
    server.wait_fd_count(files + 2);
}

#[test]
fn idle_connections_are_cheap() {
    let server = Server::start(Options::app("transport:app").tls().flag("--no-access-log"));
    server.get("/hello").expect(200);
    let mut held = Vec::new();
    let growth = growth_kib(&server, || {
        for _ in 0..300 {
            let mut client = server.connect();
            client.get("/hello").response().expect(200);
            held.push(client);
        }
    });
    assert!(growth < 300 * 64, "{} KiB a connection", growth / 300);
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
}
