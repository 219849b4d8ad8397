//! Connections: kept and closed, pipelining, expectations, and upgrades to unsupported protocols.

use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;
use std::time::Duration;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

#[test]
fn a_connection_is_kept_until_either_side_says_close() {
    let mut client = server().connect();
    for _ in 0..3 {
        let response = client.get("/hello").response().expect(200);
        assert!(!response.says_close());
    }
    client.send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: Close\r\n\r\n");
    assert!(client.response().expect(200).says_close());
    client.expect_closed();
}

#[test]
fn close_is_found_among_other_options_of_the_connection() {
    for value in ["keep-alive, close", "close, te", "x , CLOSE"] {
        let mut client = server().connect();
        client.send(format!("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: {value}\r\n\r\n"));
        client.response().expect(200);
        client.expect_closed();
    }
}

#[test]
fn an_application_can_close_the_connection() {
    let mut client = server().connect();
    let response = client.get("/header/connection?value=close").response().expect(200);
    assert!(response.says_close());
    client.expect_closed();
}

#[test]
fn a_long_unread_body_costs_the_connection_and_the_response_says_so() {
    for (length, closes) in [(200 * 1024, false), (257 * 1024, true), (400 * 1024, true)] {
        let mut client = server().connect();
        client.send(format!("POST /ignore-body HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        let response = client.response().expect(200);
        assert_eq!(response.text(), "not read");
        assert_eq!(response.says_close(), closes, "{length}");
        if closes {
            client.expect_closed();
        } else {
            assert_eq!(client.get("/hello").response().expect(200).text(), "hello");
        }
    }
}

#[test]
fn http_1_0_closes_unless_asked_to_keep() {
    let mut client = server().connect();
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().expect(200).text(), "hello");
    client.expect_closed();

    let mut client = server().connect();
    for _ in 0..2 {
        client.send("GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        let response = client.response().expect(200);
        let connection = response.header("connection").map(str::to_lowercase);
        assert_eq!(connection.as_deref(), Some("keep-alive"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_even_when_the_first_is_slow() {
    let mut client = server().connect();
    client.send(
        "GET /sleep/0.3 HTTP/1.1\r\nHost: test\r\n\r\n\
         POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nsecond\
         GET /stream/2/3 HTTP/1.1\r\nHost: test\r\n\r\n\
         HEAD /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(client.response().expect(200).text(), "slept 0.3");
    assert_eq!(client.response().expect(200).text(), "second");
    assert_eq!(client.response().expect(200).text(), "xxxxxx");
    client.response_to_head().expect(200);
    client.expect_closed();
}

#[test]
fn a_thousand_pipelined_requests_have_a_thousand_answers() {
    let mut client = server().connect();
    for number in 0..1000 {
        client.send(format!("GET /bare-status/{} HTTP/1.1\r\nHost: test\r\n\r\n", 200 + number % 3));
    }
    for number in 0..1000 {
        client.response().expect(200 + number % 3);
    }
}

#[test]
fn continue_is_sent_when_the_application_asks_for_the_body() {
    let token = token();
    let mut client = server().connect();
    let target = format!("/receive-then-answer/{token}");
    client.send(format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    ));
    server().wait_note(&token, "called");
    client.response().expect(100);
    assert_eq!(server().notes(&token), ["called", "receives"]);
    client.send("hello");
    assert_eq!(client.response().expect(200).text(), "hello");
}

#[test]
fn continue_is_not_sent_when_the_application_does_not_ask() {
    let mut client = server().connect();
    client.send(
        "POST /ignore-body HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n",
    );
    assert_eq!(client.response().expect(200).text(), "not read");
}

#[test]
fn continue_is_never_sent_to_http_1_0() {
    let mut client = server().connect();
    client.send("POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client.expect_silence(Duration::from_millis(500));
    client.send("hello");
    assert_eq!(client.response().expect(200).text(), "hello");
}

#[test]
fn an_unknown_expectation_fails() {
    for value in ["200-ok", "100-continued", "a=b"] {
        let request =
            format!("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\nExpect: {value}\r\n\r\n");
        server().accepts(request, 417);
    }
}

#[test]
fn an_upgrade_to_an_unsupported_protocol_is_ignored() {
    for (method, value) in [("GET", "unknown/1"), ("GET", "TLS/1.0, unknown"), ("POST", "h2c")] {
        let mut client = server().connect();
        client.send(format!(
            "{method} /hello HTTP/1.1\r\nHost: test\r\nUpgrade: {value}\r\nConnection: upgrade\r\n"
        ));
        client.send("Content-Length: 0\r\n\r\n");
        assert_eq!(client.response().expect(200).text(), "hello", "{method} {value:?}");
        assert_eq!(client.get("/hello").response().expect(200).text(), "hello", "{method} {value:?}");
    }
    let old = "GET /hello HTTP/1.0\r\nHost: test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    server().accepts(old, 200);
}

#[test]
fn a_body_that_comes_without_waiting_for_100_continue_keeps_the_connection() {
    let server = Server::start(Options::app("raw:app"));
    let mut client = server.connect();
    let request =
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    for _ in 0..2 {
        let mut response = client.send(request).response();
        if response.status == 100 {
            response = client.response();
        }
        assert_eq!(response.expect(200).text(), "hello");
    }
}
