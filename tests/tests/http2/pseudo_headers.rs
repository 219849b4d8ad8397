//! RFC 9113 §8.3 and §8.5: pseudo-header fields, CONNECT and its extension (RFC 8441).

use pounce_tests::h2::{Request, setting};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn malformed(request: &Request) {
    server().h2().send(request.whole(1)).malformed(1);
}

/// Expects a refusal, by a stream error or with one of `statuses` where the RFC does not call it malformed.
fn refused(request: &Request, statuses: &[u16]) {
    server().h2().send(request.whole(1)).malformed_or_answered(1, statuses);
}

fn get() -> Request {
    Request::get("/hello")
}

// §8.3
#[test]
fn an_unknown_pseudo_header_field_is_malformed() {
    malformed(&get().first(":unknown", "v"));
    malformed(&get().first(":", "v"));
    malformed(&get().first(":host", "test"));
}

// §8.3
#[test]
fn a_pseudo_header_field_of_responses_is_malformed() {
    malformed(&get().first(":status", "200"));
}

// §8.3
#[test]
fn a_pseudo_header_field_after_another_field_is_malformed() {
    malformed(&get().without(":path").field("x-between", "v").field(":path", "/hello"));
    malformed(&get().without(":authority").field("x-between", "v").field(":authority", "test"));
    malformed(&get().first("x-before", "v"));
}

// §8.3
#[test]
fn a_repeated_pseudo_header_field_is_malformed() {
    for (name, value) in
        [(":method", "GET"), (":scheme", "http"), (":path", "/hello"), (":authority", "test")]
    {
        malformed(&get().first(name, value));
    }
    malformed(&get().first(":path", "/other"));
}

// §8.3.1
#[test]
fn a_request_without_method_scheme_or_path_is_malformed() {
    for name in [":method", ":scheme", ":path"] {
        malformed(&get().without(name));
    }
}

// §8.3.1
#[test]
fn an_empty_path_is_malformed() {
    malformed(&get().with(":path", ""));
}

// §8.3.1
#[test]
fn a_path_that_does_not_begin_with_a_slash_is_malformed() {
    for path in ["hello", "*", "http://test/hello", "?a=b"] {
        malformed(&get().with(":path", path));
    }
}

// §8.3.1
#[test]
fn a_path_with_what_no_path_has_is_refused() {
    // The `h2` crate's parser of targets drops a fragment, so the server never sees it.
    for path in ["/a b", "/a\tb", "/a\u{7f}", "/\r\nx: y", "/a\0"] {
        refused(&get().with(":path", path), &[400]);
    }
}

// §8.3.1
#[test]
fn a_path_with_an_octet_that_is_not_ascii_is_refused() {
    for path in ["/caf\u{e9}", "/\u{80}", "/hello?\u{20ac}"] {
        let token = pounce_tests::notes::token();
        refused(&get().with(":path", &format!("/note/{token}/seen{path}")), &[400]);
        assert_eq!(server().notes(&token), [""; 0]);
    }
}

// §8.3.1
#[test]
fn an_overlong_method_is_refused() {
    refused(&get().with(":method", &"A".repeat(65)), &[400]);
}

// §8.3.1
#[test]
fn a_host_agrees_with_the_authority_by_its_schemes_default_port() {
    server().h2().ask(1, &get().field("host", "test:80")).expect(200);
    server().h2().ask(1, &get().with(":scheme", "https").field("host", "test:443")).expect(200);
    refused(&get().field("host", "test:443"), &[400]);
}

// §8.3.1
#[test]
fn options_may_ask_for_everything() {
    let response = server().h2().ask(1, &Request::of("OPTIONS", "*"));
    assert!(matches!(response.status, 200..=499), "{response:?}");
}

// §8.3.1
#[test]
fn a_method_that_is_no_token_is_refused() {
    for method in ["", "GE T", "GET\r\n", "GET/", "G\0T", "(GET)"] {
        refused(&get().with(":method", method), &[400, 501]);
    }
}

// §8.3.1
#[test]
fn an_authority_with_userinfo_is_refused() {
    for authority in ["user@test", "user:password@test", "@test"] {
        refused(&get().with(":authority", authority), &[400]);
    }
}

// §8.3.1
#[test]
fn an_invalid_authority_is_refused() {
    for authority in ["te st", "test/path", "test\r\nx: y", "a,b", ""] {
        refused(&get().with(":authority", authority), &[400]);
    }
}

// §8.3.1
#[test]
fn a_host_that_differs_from_the_authority_is_refused() {
    refused(&get().field("host", "other"), &[400]);
    refused(&get().field("host", "test:81"), &[400]);
    refused(&get().field("host", "test").field("host", "test"), &[400]);
    refused(&get().field("host", ""), &[400]);
}

// §8.3.1
#[test]
fn a_host_that_agrees_with_the_authority_is_taken() {
    let mut client = server().h2();
    let response = client.ask(1, &Request::get("/scope").field("host", "test")).expect(200);
    let headers = response.json()["scope"]["headers"].clone();
    let hosts = headers.as_array().expect("a list").iter().filter(|pair| pair[0] == "host").count();
    assert_eq!(hosts, 1, "{headers}");
}

// §8.3.1
#[test]
fn a_host_may_stand_for_the_authority() {
    let mut client = server().h2();
    let request = Request::get("/scope").without(":authority").field("host", "other");
    let response = client.ask(1, &request).expect(200);
    assert_eq!(response.json()["scope"]["headers"][0], serde_json::json!(["host", "other"]));
}

// §8.3.1
#[test]
fn a_request_without_authority_and_host_is_refused() {
    refused(&get().without(":authority"), &[400]);
}

// §8.3.1
#[test]
fn an_invalid_scheme_is_refused() {
    for scheme in ["ht tp", "http:", "\r\n"] {
        refused(&get().with(":scheme", scheme), &[400]);
    }
}

// §8.3.2
#[test]
fn a_response_has_one_status_and_it_comes_first() {
    // The harness checks each response against the rule.
    let mut client = server().h2();
    for (stream, status) in [(1, 200), (3, 404), (5, 599), (7, 201)] {
        client.ask(stream, &Request::get(&format!("/status/{status}"))).expect(status);
    }
}

// §8.5
#[test]
fn connect_with_a_scheme_or_a_path_is_malformed() {
    let connect = Request::of("CONNECT", "/").with(":authority", "test:80");
    malformed(&connect);
    malformed(&connect.clone().without(":path"));
    malformed(&connect.without(":scheme"));
}

// §8.5
#[test]
fn connect_without_an_authority_is_malformed() {
    malformed(&Request::of("CONNECT", "/").without(":scheme").without(":path").without(":authority"));
}

// §8.5
#[test]
fn a_tunnel_is_not_opened() {
    let tunnel =
        Request::of("CONNECT", "/").without(":scheme").without(":path").with(":authority", "test:80");
    let mut client = server().h2();
    client.send(tunnel.open(1)).malformed_or_answered(1, &[400, 403, 404, 405, 501]);
}

/// RFC 8441 §4.
fn extended(protocol: &str) -> Request {
    Request::of("CONNECT", "/hello").first(":protocol", protocol)
}

// §8.5
#[test]
fn a_protocol_is_for_connect_alone() {
    malformed(&get().first(":protocol", "websocket"));
}

// §8.5
#[test]
fn an_unknown_protocol_is_refused() {
    let mut client = server().h2();
    client.send(extended("telnet").open(1)).malformed_or_answered(1, &[400, 404, 405, 501]);
}

// §8.5
#[test]
fn an_extended_connect_without_scheme_path_or_authority_is_malformed() {
    for name in [":scheme", ":path", ":authority"] {
        server().h2().send(extended("websocket").without(name).open(1)).malformed(1);
    }
}

// §8.5
#[test]
fn an_extended_connect_that_was_not_offered_is_malformed() {
    let mut client = server().h2();
    if client.server_setting(setting::ENABLE_CONNECT_PROTOCOL, 0) == 1 {
        return eprintln!("skipped: the server offers extended CONNECT");
    }
    client.send(extended("websocket").open(1)).malformed(1);
}
