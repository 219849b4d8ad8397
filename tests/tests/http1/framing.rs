//! Invalid and conflicting framing of requests: the server refuses everything that would let two parties disagree
//! on where a request ends, and reads nothing after it as a request (RFC 9112 §6.3, request smuggling).

use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}")
}

#[test]
fn a_repeated_content_length_is_refused_whether_it_agrees_or_not() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX-Between: 1\r\ncontent-length: 5\r\n",
    ] {
        server().refuses(post(fields, "hello"), &[400]);
    }
}

#[test]
fn a_content_length_that_is_not_plain_digits_is_refused() {
    for value in ["5, 5", "5,6", "+5", "-5", "0x5", "5x", "5 5", "5;", "5.0", "1e1", "٥", "five", "\"5\"", ""]
    {
        server().refuses(post(&format!("Content-Length: {value}\r\n"), "hello"), &[400]);
    }
}

#[test]
fn a_content_length_that_overflows_is_refused() {
    for value in ["99999999999999999999", "18446744073709551621", "99999999999999999999999999999999999999999"]
    {
        server().refuses(post(&format!("Content-Length: {value}\r\n"), "hello"), &[400]);
    }
}

#[test]
fn optional_white_space_around_a_content_length_is_no_fault() {
    let response = server().accepts(post("Content-Length: \t 5 \t\r\nConnection: close\r\n", "hello"), 200);
    assert_eq!(response.text(), "hello");
}

#[test]
fn a_transfer_coding_with_a_content_length_is_refused() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "transfer-encoding: CHUNKED\r\ncontent-length: 15\r\n",
    ] {
        server().refuses(post(fields, "5\r\nhello\r\n0\r\n\r\n"), &[400]);
    }
}

#[test]
fn chunked_anywhere_but_once_and_last_is_refused() {
    for fields in [
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked, chunked\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: gzip,, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: \r\n",
    ] {
        server().refuses(post(fields, "5\r\nhello\r\n0\r\n\r\n"), &[400]);
    }
}

#[test]
fn a_transfer_coding_that_only_looks_like_chunked_is_refused() {
    for value in ["\x0bchunked", "chunked\x0b", "\x0cchunked", "chunked\x00", "chunked\x1f"] {
        let request = post(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
        server().refuses(request, &[400]);
    }
    for value in ["xchunked", "chunkedx", "chunke", "\"chunked\"", "chunked;q=1", "cow"] {
        let request = post(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
        server().refuses(request, &[400, 501]);
    }
}

#[test]
fn an_unknown_transfer_coding_before_chunked_is_not_implemented() {
    for value in ["gzip, chunked", "cow,chunked", "gzip\r\nTransfer-Encoding: chunked"] {
        let request = post(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
        server().refuses(request, &[501]);
    }
}

#[test]
fn a_transfer_coding_on_http_1_0_is_refused() {
    let request =
        "POST /echo HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    server().refuses(request, &[400]);
    let kept = "POST /echo HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    server().refuses(kept, &[400]);
}

#[test]
fn chunked_is_known_in_any_case_and_between_white_space() {
    for value in ["chunked", "Chunked", "CHUNKED", " \tchunked\t "] {
        let fields = format!("Transfer-Encoding:{value}\r\nConnection: close\r\n");
        let response = server().accepts(post(&fields, "5\r\nhello\r\n0\r\n\r\n"), 200);
        assert_eq!(response.text(), "hello");
    }
}

#[test]
fn a_body_is_never_read_as_the_next_request() {
    let inner = "GET /status/404 HTTP/1.1\r\nHost: test\r\n\r\n";
    let fields = format!("Content-Length: {}\r\n", inner.len());
    let mut client = server().connect();
    client.send(post(&fields, inner)).get("/hello");
    assert_eq!(client.response().expect(200).text(), inner);
    assert_eq!(client.response().expect(200).text(), "hello");
}

#[test]
fn a_body_on_get_is_framed_like_any_other() {
    let mut client = server().connect();
    client.send("GET /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello").get("/hello");
    assert_eq!(client.response().expect(200).text(), "hello");
    assert_eq!(client.response().expect(200).text(), "hello");
}

#[test]
fn an_unread_body_is_not_read_as_a_request() {
    let inner = "GET /status/404 HTTP/1.1\r\nHost: test\r\n\r\n";
    let fields = format!("Content-Length: {}\r\n", inner.len());
    let request = format!("POST /ignore-body HTTP/1.1\r\nHost: test\r\n{fields}\r\n{inner}");
    let mut client = server().connect();
    client.send(request);
    client.response().expect(200);
    // The server may skip the body or close; it must not answer it.
    let _ = client.try_send("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&rest));
}
