//! The opening handshake over HTTP/1.1 (RFC 6455 section 4.2): accepted and refused requests.

use pounce_tests::notes::token;
use pounce_tests::{Frame, Options, Response, Server, Transport};
use std::sync::OnceLock;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

fn server() -> &'static Server {
    Transport::ClearHttp1.shared()
}

fn ask_for(start: &str, fields: &str) -> Response {
    let mut client = server().connect();
    client.send(format!("{start}\r\nHost: test\r\n{fields}\r\n"));
    let head = client.head();
    if head.status == 101 {
        return head;
    }
    let mut client = server().connect();
    client.send(format!("{start}\r\nHost: test\r\n{fields}\r\n")).response()
}

fn ask(fields: &str) -> Response {
    ask_for("GET /hello HTTP/1.1", fields)
}

#[test]
fn the_key_of_the_rfc_is_answered_as_the_rfc_does() {
    let response = ask(&format!("{UPGRADE}{KEY}{VERSION}")).expect(101);
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(response.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(response.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    // RFC 9110 section 8.6: no content-length in a 1xx.
    for name in ["content-length", "transfer-encoding", "sec-websocket-protocol", "sec-websocket-extensions"]
    {
        assert_eq!(response.header(name), None, "{response:?}");
    }
}

#[test]
fn tokens_are_found_in_lists_and_in_any_case() {
    for upgrade in [
        "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n",
        "upgrade: WEBSOCKET\r\nconnection: UPGRADE\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n",
    ] {
        ask(&format!("{upgrade}{KEY}{VERSION}")).expect(101);
    }
}

#[test]
fn another_version_is_refused_with_the_supported_one() {
    for version in
        ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n", "Sec-WebSocket-Version: x\r\n"]
    {
        let response = ask(&format!("{UPGRADE}{KEY}{version}")).expect(426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"), "{version:?}: {response:?}");
    }
}

#[test]
fn a_key_that_is_missing_double_or_bad_is_refused() {
    let twice = KEY.repeat(2);
    for key in [
        "",
        &twice,
        "Sec-WebSocket-Key: \r\n",
        "Sec-WebSocket-Key: dG9vIHNob3J0\r\n",
        "Sec-WebSocket-Key: bm90IHNpeHRlZW4gYnl0ZXMgYXQgYWxs\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n",
        "Sec-WebSocket-Key: \u{e9}GhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        ask(&format!("{UPGRADE}{key}{VERSION}")).expect(400);
    }
}

#[test]
fn only_a_get_of_http_1_1_that_says_connection_upgrade_is_an_upgrade() {
    let fields = format!("{UPGRADE}{KEY}{VERSION}");
    let post = ask_for("POST /hello HTTP/1.1", &format!("{fields}Content-Length: 0\r\n"));
    assert_ne!(post.status, 101, "{post:?}");
    let old = ask_for("GET /hello HTTP/1.0", &fields);
    assert_ne!(old.status, 101, "{old:?}");
    let without = ask(&format!("Upgrade: websocket\r\n{KEY}{VERSION}"));
    assert_eq!(without.expect(200).text(), "hello http");
    let other = ask(&format!("Upgrade: h2c\r\nConnection: Upgrade\r\n{KEY}{VERSION}"));
    assert_eq!(other.expect(200).text(), "hello http");
}

#[test]
fn without_websockets_an_upgrade_is_a_plain_request() {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| Server::start(Options::app("websocket:app").flag("--no-ws")));
    let request = format!("GET /hello HTTP/1.1\r\nHost: test\r\n{UPGRADE}{KEY}{VERSION}\r\n");
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.send(&request).response().expect(200).text(), "hello http");
    }
}

#[test]
fn a_refused_upgrade_and_the_bytes_after_it_disturb_no_other() {
    let mut client = server().connect();
    client.send(format!(
        "GET /hello HTTP/1.1\r\nHost: test\r\n{UPGRADE}{VERSION}\r\nGET /pid HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    client.response().expect(400);
    server().get("/hello").expect(200);
}

#[test]
fn frames_that_come_with_the_request_are_not_lost() {
    let mut client = server().connect();
    let mut bytes = format!("GET /echo HTTP/1.1\r\nHost: test\r\n{UPGRADE}{KEY}{VERSION}\r\n").into_bytes();
    bytes.extend(Frame::text("early").masked());
    client.send(bytes);
    client.head().expect(101);
    assert_eq!(client.take(7), b"\x81\x05early");
}

#[test]
fn many_frames_that_come_before_the_answer_are_not_lost() {
    let token = token();
    let mut client = server().connect();
    let request = format!("GET /slow-accept/{token} HTTP/1.1\r\nHost: test\r\n{UPGRADE}{KEY}{VERSION}\r\n");
    client.send(request);
    let frames: Vec<u8> = (0..30u8).flat_map(|number| Frame::binary(vec![number; 10_000]).masked()).collect();
    client.send(frames);
    server().wait_note(&token, "asked");
    server().get(&format!("/open/{token}")).expect(200);
    client.head().expect(101);
    for number in 0..30u8 {
        assert_eq!(client.take(4), [0x82, 126, 0x27, 0x10]);
        assert!(client.take(10_000).iter().all(|byte| *byte == number), "{number}");
    }
}
