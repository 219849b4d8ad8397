//! RFC 9113 §8.2: which fields a request may have, and which a response has. A malformed request is a stream
//! error PROTOCOL_ERROR, as the RFC has it; that it is no connection error is Pounce's own rule.

use pounce_tests::h2::{Frame, Request};
use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// A request with one field more is refused before the application hears of it.
fn malformed(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    let token = token();
    let mut client = server().h2();
    client.send(Request::get(&format!("/note/{token}/seen")).field(name, value).whole(1)).malformed(1);
    assert_eq!(server().notes(&token), [""; 0]);
}

/// The headers that the application saw of a request with one field more.
fn taken(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> serde_json::Value {
    let mut client = server().h2();
    let response = client.ask(1, &Request::get("/scope").field(name, value)).expect(200);
    response.json()["scope"]["headers"].clone()
}

fn has(headers: &serde_json::Value, name: &str, value: &str) -> bool {
    headers.as_array().expect("a list").iter().any(|pair| pair[0] == name && pair[1] == value)
}

// §8.2.1
#[test]
fn a_name_with_an_upper_case_letter_is_malformed() {
    for name in ["X-Upper", "x-uppeR", "HOST", "Content-Length"] {
        malformed(name, "5");
    }
}

// §8.2.1
#[test]
fn a_name_with_an_octet_that_no_name_has_is_malformed() {
    for octet in (0x00..=0x20).chain(0x7f..=0xff) {
        malformed([b'x', octet, b'y'], "v");
    }
    malformed("", "v");
}

// §8.2.1
#[test]
fn a_name_with_a_colon_within_is_malformed() {
    malformed("x:y", "v");
    malformed("x:", "v");
}

// §8.2.1
#[test]
fn a_name_that_is_no_token_is_malformed_or_refused() {
    // §8.2.1 demands less than RFC 9110 §5.1; a 400 will do.
    for name in ["x(y", "x,y", "x/y", "x;y", "x=y", "x@y", "x\"y", "x{y"] {
        let mut client = server().h2();
        client.send(Request::get("/hello").field(name, "v").whole(1));
        client.malformed_or_answered(1, &[400]);
    }
}

// §8.2.1
#[test]
fn a_value_with_nul_or_the_end_of_a_line_is_malformed() {
    for octet in [0x00, 0x0a, 0x0d] {
        malformed("x-value", [b'a', octet, b'b']);
        malformed("x-value", [octet]);
        malformed("cookie", [b'a', octet]);
        malformed("user-agent", [octet, b'a']);
    }
}

// §8.2.1
#[test]
fn a_value_that_begins_or_ends_with_white_space_is_malformed() {
    for value in [" a", "a ", "\ta", "a\t", " ", "\t"] {
        malformed("x-value", value);
    }
}

// §8.2.1
#[test]
fn any_other_value_is_taken() {
    assert!(has(&taken("x-value", ""), "x-value", ""));
    assert!(has(&taken("x-value", "a b\tc"), "x-value", "a b\tc"));
    assert!(has(&taken("x-value", [b'a', 0x80, 0xe9, 0xff]), "x-value", "a\u{80}é\u{ff}"));
    assert!(has(&taken("x-!#$%&'*+.^_`|~9", "v"), "x-!#$%&'*+.^_`|~9", "v"));
}

// §8.2.2
#[test]
fn fields_of_http_1_connections_are_malformed() {
    malformed("connection", "close");
    malformed("connection", "x-value");
    malformed("proxy-connection", "keep-alive");
    malformed("keep-alive", "timeout=5");
    malformed("transfer-encoding", "chunked");
    malformed("transfer-encoding", "identity");
    malformed("upgrade", "h2c");
    malformed("upgrade", "websocket");
}

// §8.2.2
#[test]
fn te_is_trailers_or_malformed() {
    for value in ["gzip", "trailers, deflate;q=0.5", "x", "deflate", ""] {
        malformed("te", value);
    }
    assert!(has(&taken("te", "trailers"), "te", "trailers"));
}

// §8.2.2
#[test]
fn the_application_cannot_send_fields_of_http_1_connections() {
    // Each response is held against the rule as it comes.
    let mut client = server().h2();
    let fields = ["connection?value=close", "keep-alive?value=timeout=5", "proxy-connection?value=close"];
    for (number, field) in (0..).zip(fields.into_iter().chain(["transfer-encoding?value=chunked"])) {
        let response = client.ask(1 + 2 * number, &Request::get(&format!("/header/{field}"))).expect(200);
        assert_eq!(response.text(), "with header", "{field}");
    }
    assert_eq!(client.ask(101, &Request::get("/own-chunked")).expect(200).text(), "coded by the server");
}

// §8.2.1
#[test]
fn names_of_the_application_are_sent_in_lower_case() {
    let mut client = server().h2();
    let response = client.ask(1, &Request::get("/header/X-Upper?value=Value")).expect(200);
    assert_eq!(response.header("x-upper"), Some("Value"));
}

// §8.2.3
#[test]
fn cookies_are_joined() {
    let mut client = server().h2();
    let request =
        Request::get("/scope").field("cookie", "a=b").field("x-between", "v").field("cookie", "c=d");
    let response = client.ask(1, &request.field("cookie", "e=f")).expect(200);
    let headers = response.json()["scope"]["headers"].clone();
    assert!(has(&headers, "cookie", "a=b; c=d; e=f"), "{headers}");
    let count = headers.as_array().expect("a list").iter().filter(|pair| pair[0] == "cookie").count();
    assert_eq!(count, 1, "{headers}");
}

// §8.2
#[test]
fn fields_that_stand_there_twice_stay_two() {
    let mut client = server().h2();
    let request = Request::get("/scope").field("x-twice", "1").field("x-twice", "2");
    let response = client.ask(1, &request).expect(200);
    let headers = response.json()["scope"]["headers"].clone();
    assert!(has(&headers, "x-twice", "1") && has(&headers, "x-twice", "2"), "{headers}");
}

// §8.2
#[test]
fn a_malformed_request_with_a_body_is_refused_as_a_whole() {
    let token = token();
    let mut client = server().h2();
    let request = Request::post(&format!("/count/{token}")).field("transfer-encoding", "chunked");
    client.send_all([
        request.open(1),
        Frame::data(1, *b"5\r\nhello\r\n"),
        Frame::data(1, *b"0\r\n\r\n").end(),
    ]);
    client.malformed(1);
    assert_eq!(server().notes(&token), [""; 0]);
}
