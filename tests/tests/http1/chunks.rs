//! The chunked coding of request bodies: valid ones arrive whole however they are split, invalid ones are
//! refused, and trailers never become headers (RFC 9112 §7.1).

use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn chunked(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

fn refuse_each(bodies: &[&str]) {
    for body in bodies {
        server().refuses(chunked("/echo", body), &[400]);
    }
}

#[test]
fn a_chunk_size_that_is_not_plain_hexadecimal_is_refused() {
    refuse_each(&[
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a=b\r\nhello\r\n0\r\n\r\n",
        "-0\r\n\r\n",
    ]);
}

#[test]
fn a_chunk_size_that_overflows_is_refused() {
    refuse_each(&["10000000000000005\r\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"]);
    server().refuses(chunked("/echo", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), &[400, 413]);
}

#[test]
fn a_chunk_extension_with_a_bare_line_break_is_refused() {
    refuse_each(&[
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\x00b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
    ]);
}

#[test]
fn a_chunk_extension_that_the_grammar_does_not_know_is_refused() {
    for extension in [";", ";bad[=x", ";a=\"open", ";a=", ";\u{e9}", ";a=\u{e9}", ";a b", " "] {
        refuse_each(&[&format!("5{extension}\r\nhello\r\n0\r\n\r\n")]);
    }
}

#[test]
fn a_chunk_of_another_length_than_its_size_is_refused() {
    refuse_each(&[
        "5\r\nhello, world\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhel\r\n0\r\n\r\n",
    ]);
}

#[test]
fn a_missing_end_of_the_trailer_section_does_not_let_a_request_through() {
    // The canary that follows is not a valid trailer: its request line has no colon before a space.
    refuse_each(&["5\r\nhello\r\n0\r\n", "0\r\n", "0\r\nX-Trailer: 1\r\n"]);
    refuse_each(&[
        "0\n\r\n",
        "0\r\n\n",
        "0\r\nX-Trailer: 1\n\r\n",
        "0\r\nX-Trailer : 1\r\n\r\n",
        "0\r\n folded\r\n\r\n",
    ]);
}

#[test]
fn trailers_that_would_change_framing_or_routing_are_refused() {
    for name in ["Transfer-Encoding", "Content-Length", "Host", "content-length"] {
        let body = format!("5\r\nhello\r\n0\r\n{name}: 5\r\n\r\n");
        server().refuses(chunked("/echo", &body), &[400]);
    }
}

#[test]
fn trailers_never_become_headers() {
    let mut client = server().connect();
    client.send(chunked("/scope", "5\r\nhello\r\n0\r\nX-Trailer: sneaky\r\n\r\n")).get("/scope");
    for _ in 0..2 {
        let answer = client.response().expect(200).text();
        assert!(!answer.contains("sneaky") && !answer.contains("x-trailer"), "{answer}");
    }
}

#[test]
fn good_chunks_arrive_whole() {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "5;name=value\r\nhello\r\n0;last\r\n\r\n",
        "5;name=\"quoted; value\"\r\nhello\r\n0\r\n\r\n",
        "5 ; name = \"a \\\" \u{e9}\" ;b\r\nhello\r\n0\t;\tlast\r\n\r\n",
        "0000005\r\nhello\r\n000\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n",
    ] {
        let mut client = server().connect();
        client.send(chunked("/echo", body)).get("/hello");
        assert_eq!(client.response().expect(200).text(), "hello", "{body:?}");
        assert_eq!(client.response().expect(200).text(), "hello");
    }
}

#[test]
fn hexadecimal_sizes_count_in_either_case() {
    for size in ["1a", "1A"] {
        let body = format!("{size}\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n");
        let mut client = server().connect();
        client.send(chunked("/echo", &body));
        assert_eq!(client.response().expect(200).text(), "abcdefghijklmnopqrstuvwxyz");
    }
}

#[test]
fn a_chunked_request_split_at_any_byte_is_the_same_request() {
    let request =
        chunked("/echo", "5 ; a = b;c=\"\\\"\"\r\nhello\r\n7\r\n, world\r\n0\r\nX-Trailer: 1\r\n\r\n");
    let bytes = request.as_bytes();
    let mut client = server().connect();
    for at in 1..bytes.len() {
        client.send_split([&bytes[..at], &bytes[at..]]);
        assert_eq!(client.response().expect(200).text(), "hello, world", "split at {at}");
    }
    client.send_split(bytes.chunks(1));
    assert_eq!(client.response().expect(200).text(), "hello, world", "byte by byte");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_chunk_is_a_disconnect() {
    let token = pounce_tests::notes::token();
    let mut client = server().connect();
    client.send(chunked(&format!("/watch/{token}"), "5\r\nhe"));
    server().wait_note(&token, "began");
    drop(client);
    server().wait_note(&token, "http.disconnect");
}

#[test]
fn many_small_chunks_are_one_body() {
    let body: String = (0..20_000).map(|_| "1\r\nx\r\n").collect();
    let mut client = server().connect();
    client.send(chunked("/count", &(body + "0\r\n\r\n")));
    assert_eq!(client.response().expect(200).text(), "20000");
}
