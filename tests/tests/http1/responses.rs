//! Responses on the wire: framing, the headers that the server adds, methods and statuses without a body,
//! and features that HTTP/1.0 lacks.

use pounce_tests::{Options, Response, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn head(target: &str) -> Response {
    let mut client = server().connect();
    client.send(format!("HEAD {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    let response = client.response_to_head().expect(200);
    // Any bytes after the head would be read as the next response.
    client.get("/hello");
    assert_eq!(client.response().expect(200).text(), "hello");
    response
}

#[test]
fn a_response_with_a_length_keeps_it() {
    let response = server().get("/two-parts").expect(200);
    assert_eq!((response.header("content-length"), response.text()), (Some("10"), "first-last".into()));
    assert_eq!(response.header("transfer-encoding"), None);
}

#[test]
fn messages_are_read_whatever_the_objects_of_their_keys() {
    let response = server().get("/own-keys").expect(201);
    assert_eq!(response.header("x-kept"), Some("yes"));
    assert_eq!(response.text(), "first last");
}

#[test]
fn a_response_without_a_length_is_framed_by_the_server() {
    for (target, size) in
        [("/stream/3/1000", 3000), ("/empty-parts", 6), ("/bare-status/200", 11), ("/no-body-key", 0)]
    {
        let mut client = server().connect();
        client.get(target).get("/hello");
        let response = client.response().expect(200);
        assert_eq!(response.body.len(), size, "{target}");
        let framing = (response.header("transfer-encoding"), response.header("content-length"));
        assert!(framing.0 == Some("chunked") || framing.1.is_some(), "{target}: {framing:?}");
        client.response().expect(200);
    }
}

#[test]
fn a_stream_without_a_length_is_chunked() {
    let response = server().get("/stream/3/1000").expect(200);
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(response.header("content-length"), None);
}

#[test]
fn a_transfer_coding_named_by_the_application_is_applied_once() {
    let response = server().get("/own-chunked").expect(200);
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(response.text(), "coded by the server");
}

#[test]
fn parts_are_sent_when_they_are_made() {
    let mut client = server().connect();
    client.send("POST /echo-stream HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\none\r\n");
    client.head().expect(200);
    assert_eq!(client.take(8), b"3\r\none\r\n");
    client.send("3\r\ntwo\r\n");
    assert_eq!(client.take(8), b"3\r\ntwo\r\n");
    client.send("0\r\n\r\n");
    assert_eq!(client.take(5), b"0\r\n\r\n");
}

#[test]
fn head_has_the_headers_and_no_body() {
    assert_eq!(head("/big/1000").header("content-length"), Some("1000"));
    assert_eq!(head("/stream/3/1000").header("content-length"), None);
}

#[test]
fn statuses_without_a_body_have_none() {
    for status in [204, 304] {
        for target in [format!("/status/{status}"), format!("/bare-status/{status}")] {
            let mut client = server().connect();
            client.get(&target).get("/hello");
            let response = client.response().expect(status);
            assert_eq!(response.header("transfer-encoding"), None, "{target}");
            assert_eq!(client.response().expect(200).text(), "hello", "{target}");
        }
    }
    assert_eq!(server().get("/bare-status/204").header("content-length"), None);
}

#[test]
fn statuses_of_any_kind_pass() {
    for status in [200, 201, 206, 299, 302, 400, 404, 418, 451, 499, 500, 503, 599, 600, 999] {
        assert_eq!(
            server().get(&format!("/status/{status}")).expect(status).text(),
            format!("status {status}")
        );
    }
}

#[test]
fn date_and_server_are_added() {
    let response = server().get("/hello").expect(200);
    let date = response.header("date").expect("a Date header");
    assert!(date.len() == 29 && date.ends_with(" GMT") && &date[3..5] == ", ", "{date}");
    assert!(response.header("server").expect("a Server header").to_lowercase().contains("pounce"));
}

#[test]
fn date_and_server_of_the_application_take_the_place_of_the_server_s() {
    assert_eq!(server().get("/header/server?value=mine").header("server"), Some("mine"));
    let date = "Thu, 01 Jan 1970 00:00:00 GMT";
    let response = server().get("/header/date?value=Thu,%2001%20Jan%201970%2000:00:00%20GMT");
    assert_eq!(response.header("date"), Some(date));
}

#[test]
fn date_and_server_can_be_turned_off_and_headers_added() {
    let options = Options::app("raw:app").flag("--no-date-header").flag("--no-server-header");
    let options = options.with("--header", "X-First: one").with("--header", "X-Second:two");
    let server = Server::start(options);
    let response = server.get("/hello").expect(200);
    assert_eq!((response.header("date"), response.header("server")), (None, None));
    assert_eq!((response.header("x-first"), response.header("x-second")), (Some("one"), Some("two")));
}

#[test]
fn http_1_0_gets_no_transfer_coding() {
    for connection in ["close", "keep-alive"] {
        let mut client = server().connect();
        client.send(format!("GET /stream/3/1000 HTTP/1.0\r\nConnection: {connection}\r\n\r\n"));
        let response = client.response().expect(200);
        assert_eq!(response.header("transfer-encoding"), None);
        assert_eq!(response.body, vec![b'x'; 3000]);
        client.expect_closed();
    }
}

#[test]
fn options_for_the_whole_server_reach_the_application() {
    let mut client = server().connect();
    client.send("OPTIONS * HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    // The test application has no route for it: its 404 shows that it was called.
    assert_eq!(client.response().expect(404).text(), "no such path");
}

#[test]
fn responses_go_out_whole_however_large() {
    for size in [0, 1, 65_535, 65_536, 1_000_000, 20_000_000] {
        let mut client = server().connect();
        client.get(&format!("/big/{size}")).get("/hello");
        assert_eq!(client.response().expect(200).body, vec![b'x'; size]);
        client.response().expect(200);
    }
}

#[test]
fn bodies_come_back_as_they_went_in() {
    let body: Vec<u8> = (0..3_000_000u32).map(|number| ((number * 31) >> 3) as u8).collect();
    assert_eq!(server().post("/echo", &body).expect(200).body, body);
    assert_eq!(server().post("/echo-stream", &body[..200_000]).expect(200).body, body[..200_000]);
}

#[test]
fn white_space_around_a_header_value_is_not_sent() {
    let mut client = server().connect();
    client.send(
        "GET /header/x-blank?value=%20%09a%20b%09%20 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    );
    let text = String::from_utf8(client.rest()).expect("ASCII");
    assert!(text.contains("\r\nx-blank: a b\r\n"), "{text}");
}
