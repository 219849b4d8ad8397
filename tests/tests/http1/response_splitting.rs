//! Messages that must not reach the wire: each raises in the application,
//! names its fault, and leaves no byte behind.

use pounce_tests::{Options, Response, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("faulty:app")))
}

/// Lets the application send one bad message first; shows that it raised, that the exception names one of
/// `words`, and that the good response after it is all the client got.
fn raises(case: &str, words: &[&str]) -> Response {
    let mut client = server().connect();
    client.send(format!("GET /bad/{case} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    let response = client.response().expect(200);
    client.expect_closed();
    let report = response.text();
    assert_ne!(report, "no exception", "{case}");
    let text = report.splitn(3, '|').nth(2).expect("type, bases and text").to_lowercase();
    assert!(words.iter().any(|word| text.contains(word)), "{case}: {words:?} not in {report:?}");
    for (name, value) in &response.headers {
        assert!(!name.starts_with("x-") && name != "set-cookie", "{case} left {name}: {value}");
    }
    response
}

#[test]
fn line_breaks_and_nul_in_a_header_name_raise() {
    for case in ["header-name-cr", "header-name-lf", "header-name-crlf", "header-name-nul"] {
        raises(case, &["header", "name"]);
    }
}

#[test]
fn a_header_name_that_is_no_token_raises() {
    for case in ["header-name-space", "header-name-colon", "header-name-empty", "header-name-high"] {
        raises(case, &["header", "name"]);
    }
}

#[test]
fn line_breaks_and_nul_in_a_header_value_raise() {
    let cases =
        ["header-value-cr", "header-value-lf", "header-value-crlf", "header-value-end", "header-value-nul"];
    for case in cases {
        raises(case, &["header", "value"]);
    }
}

#[test]
fn a_status_that_is_no_final_status_raises() {
    for case in [
        "status-0",
        "status-99",
        "status-1000",
        "status-negative",
        "status-huge",
        "status-x",
        "status-str",
        "status-none",
        "status-float",
        "status-missing",
    ] {
        raises(case, &["status"]);
    }
}

#[test]
fn headers_of_another_shape_than_pairs_of_bytes_raise() {
    for case in [
        "headers-int",
        "headers-str-pair",
        "headers-value-str",
        "headers-value-none",
        "headers-three",
        "headers-one",
        "headers-flat",
    ] {
        raises(case, &["header"]);
    }
}

#[test]
fn a_content_length_that_is_no_length_raises() {
    for case in ["length-not-number", "length-negative", "length-twice"] {
        raises(case, &["content-length", "content length"]);
    }
}

#[test]
fn a_message_that_is_no_message_raises() {
    raises("not-a-dict", &["dict", "message", "mapping"]);
    raises("none", &["dict", "message", "mapping"]);
    raises("no-type", &["type"]);
    raises("type-not-str", &["type"]);
}

#[test]
fn a_message_of_a_type_that_http_does_not_have_raises() {
    raises("unknown-type", &["http.response.nonsense"]);
    raises("type-of-websocket", &["websocket.accept"]);
    raises("type-of-lifespan", &["lifespan.startup.complete"]);
}

#[test]
fn a_body_or_trailers_before_the_start_raise() {
    raises("body-before-start", &["http.response.start", "http.response.body"]);
    raises("trailers-before-start", &["http.response.start", "http.response.trailers"]);
}

#[test]
fn a_bad_message_after_the_start_raises_and_the_response_goes_on() {
    for (case, word) in [
        ("second-start", "http.response.start"),
        ("body-str", "body"),
        ("body-int", "body"),
        ("body-list", "body"),
        ("trailers-not-announced", "trailers"),
        ("unknown-type", "http.response.nonsense"),
    ] {
        let mut client = server().connect();
        client.get(&format!("/bad-later/{case}")).get("/pid");
        let text = client.response().expect(200).text();
        assert!(text.starts_with("first|") && !text.ends_with("no exception"), "{case}: {text}");
        assert!(text.contains(word), "{case}: {word:?} not in {text:?}");
        client.response().expect(200);
    }
}

#[test]
fn a_reflected_header_value_cannot_split_the_response() {
    let server = Server::start(Options::app("raw:app"));
    for value in ["a%0d%0aSet-Cookie:%20a=b", "a%0aSet-Cookie:%20a=b", "a%0d%0a%0d%0a<html>", "a%00b"] {
        let response = server.get(&format!("/header/x-reflected?value={value}")).expect(500);
        assert!(response.header("x-reflected").is_none() && response.header("set-cookie").is_none());
    }
    let response = server.get("/header/x-reflected?value=caf%E9").expect(200);
    assert_eq!(response.header("x-reflected"), Some("caf\u{e9}"));
}
