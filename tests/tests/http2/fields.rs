//! RFC 9113 §8.2: the fields of requests and responses. A malformed request is a stream
//! error PROTOCOL_ERROR, as the RFC requires; that it must not be a connection error is Pounce's rule.

use pounce_tests::h2::hpack::{DYNAMIC, huffman, indexed, integer, literal, literal_with_indexing, string};
use pounce_tests::h2::{Client, Code, Frame, Request, flag};
use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// A request with one more field is refused before it reaches the application.
fn malformed(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
    let token = token();
    let mut client = server().h2();
    client.send(Request::get(&format!("/note/{token}/seen")).field(name, value).whole(1)).malformed(1);
    assert_eq!(server().notes(&token), [""; 0]);
}

/// The headers that the application saw of a request with one more field.
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
    // The harness checks each response against the rule.
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
fn repeated_fields_stay_separate() {
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

/// Fields with invalid names or values, in every encoding.
fn wrong_fields() -> Vec<(&'static [u8], &'static [u8])> {
    vec![
        (b"X-Upper", b"v"),
        (b"x y", b"v"),
        (b"x\0", b"v"),
        (b"", b"v"),
        (b":unknown", b"v"),
        (b":status", b"two hundred"),
        (b":method", b"G T"),
        (b":method", b""),
        (b":path", b"/\xff"),
        (b":authority", b"\xff"),
        (b"x-value", b"a\r\nb: c"),
        (b"x-value", b"\0"),
        (b"cookie", b"a\x7f"),
        (b"X-Upper", &[0; 300]),
        (b"x-larger-than-the-table", &[0; 5000]),
    ]
}

/// A request after others on its connection gets the field that entered the table before them.
fn table_is_in_step(index: usize, between: impl FnOnce(&mut Client)) {
    let mut client = server().h2();
    let before = [Request::get("/hello").block(), literal_with_indexing(b"x-before", b"kept")].concat();
    client.send(Frame::headers(1, before).end()).response(1).expect(200);
    between(&mut client);
    let block = [Request::get("/scope").block(), indexed(index)].concat();
    client.send(Frame::headers(101, block).end());
    let headers = client.response(101).expect(200).json()["scope"]["headers"].clone();
    assert!(has(&headers, "x-before", "kept"), "{headers}");
}

// §8.2.1
#[test]
fn a_malformed_field_that_goes_into_the_table_leaves_it_as_the_client_believes_it_to_be() {
    for (name, value) in wrong_fields().into_iter().filter(|(_, value)| value.len() < 4096) {
        table_is_in_step(DYNAMIC + 2, |client| {
            let wrong = [
                Request::get("/hello").block(),
                literal_with_indexing(name, value),
                literal_with_indexing(b"x-behind", b"v"),
            ];
            client.send(Frame::headers(3, wrong.concat()).end()).malformed(3);
        });
    }
}

// §8.2.1
#[test]
fn a_malformed_field_that_does_not_go_into_the_table_leaves_it_alone() {
    for (name, value) in wrong_fields() {
        table_is_in_step(DYNAMIC, |client| {
            let wrong = [Request::get("/hello").block(), literal(name, value)].concat();
            client.send(Frame::headers(3, wrong).end()).malformed(3);
        });
    }
}

// §8.2.1
#[test]
fn a_field_as_large_as_the_table_and_malformed_empties_it() {
    let mut client = server().h2();
    let wrong = [
        Request::get("/hello").block(),
        literal_with_indexing(b"x-before", b"v"),
        literal_with_indexing(b"x-larger-than-the-table", &[0; 5000]),
        literal_with_indexing(b"x-kept", b"v"),
    ];
    client.send(Frame::headers(1, wrong.concat()).end()).malformed(1);
    let after = [Request::get("/scope").block(), indexed(DYNAMIC)].concat();
    client.send(Frame::headers(5, after).end());
    let headers = client.response(5).expect(200).json()["scope"]["headers"].clone();
    assert!(has(&headers, "x-kept", "v"), "{headers}");
    let beyond = [Request::get("/scope").block(), indexed(DYNAMIC + 1)].concat();
    client.send(Frame::headers(7, beyond).end()).connection_error(&[Code::COMPRESSION_ERROR]);
}

// §8.2.1
#[test]
fn a_request_that_refers_to_a_malformed_field_is_malformed_too() {
    for (name, value) in wrong_fields().into_iter().filter(|(_, value)| value.len() < 4096) {
        let mut client = server().h2();
        let wrong = [Request::get("/hello").block(), literal_with_indexing(name, value)].concat();
        client.send(Frame::headers(1, wrong).end()).malformed(1);
        let token = token();
        let again = [Request::get(&format!("/note/{token}/seen")).block(), indexed(DYNAMIC)].concat();
        client.send(Frame::headers(5, again).end()).malformed(5);
        assert_eq!(server().notes(&token), [""; 0], "{name:?}");
    }
}

// §8.2.1
#[test]
fn an_invalid_value_is_malformed_whatever_table_its_name_is_from() {
    // `cookie`, `user-agent`, and one that entered the table.
    for index in [32, 58, DYNAMIC] {
        for first in [(0x40, 6), (0x00, 4), (0x10, 4)] {
            table_is_in_step(DYNAMIC + usize::from(first.0 == 0x40), |client| {
                let wrong = [integer(first.0, first.1, index), string(b"a\0")].concat();
                let block = [Request::get("/hello").block(), wrong].concat();
                client.send(Frame::headers(3, block).end()).malformed(3);
                if first.0 == 0x40 {
                    let again = [Request::get("/hello").block(), indexed(DYNAMIC)].concat();
                    client.send(Frame::headers(7, again).end()).malformed(7);
                }
            });
        }
    }
}

// §8.2.1
#[test]
fn a_malformed_field_in_huffman_coding_is_malformed_too() {
    table_is_in_step(DYNAMIC + 1, |client| {
        // "X" is 11111100, NUL is 1111111111000.
        let wrong = [&[0x40][..], &huffman(&[0b1111_1100]), &huffman(&[0xff, 0b1100_0111])].concat();
        let block = [Request::get("/hello").block(), wrong].concat();
        client.send(Frame::headers(3, block).end()).malformed(3);
    });
}

// §8.2.1
#[test]
fn a_malformed_field_block_may_come_in_many_pieces() {
    for (name, value) in [(&b"X-Upper"[..], &b"v"[..]), (b"x-value", b"\0"), (b"connection", b"close")] {
        table_is_in_step(DYNAMIC + 1, |client| {
            let block = [literal_with_indexing(name, value), literal(b"x-behind", b"v")].concat();
            let block = [Request::get("/hello").block(), block].concat();
            let first = Frame::headers(3, &block[..3]).depending(1).padded(9).end();
            client.send(first.without(flag::END_HEADERS));
            for piece in block[3..].chunks(9) {
                client.send(Frame::continuation(3, piece).without(flag::END_HEADERS));
            }
            client.send(Frame::continuation(3, [])).malformed(3);
        });
    }
}

// §8.2.1
#[test]
fn a_malformed_field_block_may_be_larger_than_a_frame() {
    table_is_in_step(DYNAMIC + 1, |client| {
        let large = literal(b"x-large", &[b'v'; 14_000]);
        let block = [Request::get("/hello").block(), literal(b"X-Upper", b"v"), large.clone()].concat();
        let more = [literal_with_indexing(b"x-value", b"\0"), large].concat();
        client.send(Frame::headers(3, block).end().without(flag::END_HEADERS));
        client.send(Frame::continuation(3, more)).malformed(3);
    });
}

// §8.2.1
#[test]
fn malformed_trailers_are_an_error_of_their_stream_too() {
    for (name, value) in wrong_fields().into_iter().filter(|(_, value)| value.len() < 4096) {
        table_is_in_step(DYNAMIC + 1, |client| {
            let trailers = Frame::headers(3, literal_with_indexing(name, value)).padded(3).end();
            client.post(3, "/echo").send(Frame::data(3, *b"body")).send(trailers).malformed(3);
        });
    }
}

// §8.2.1
#[test]
fn requests_next_to_a_malformed_one_are_answered() {
    let mut client = server().h2();
    client.post(1, "/count");
    client.send(Request::get("/hello").field("X-Upper", "v").whole(3)).malformed(3);
    client.send(Frame::data(1, *b"some").end()).response(1).expect(200);
}
