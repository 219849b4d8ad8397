//! RFC 9113 §3: how a connection begins.

use pounce_tests::h2::client::{Next, PREFACE};
use pounce_tests::h2::{Client, Code, Event, Frame, Request, setting};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn silent() -> Client {
    Client::silent(server().address())
}

/// A connection that begins with `octets` is closed; the server may send only frames.
fn is_closed_without_an_http_1_answer(octets: &[u8]) {
    let mut client = silent();
    client.send_octets(octets);
    let answer = client.rest();
    let mut rest = answer.as_slice();
    while let Some((_, size)) = Frame::decode(rest) {
        rest = &rest[size..];
    }
    let shown = String::from_utf8_lossy(octets);
    assert!(rest.is_empty(), "{shown:?} is answered with {:?}", String::from_utf8_lossy(&answer));
}

// §3.3
#[test]
fn prior_knowledge_is_enough() {
    server().h2().ask(1, &Request::get("/hello")).expect(200);
}

// §3.4
#[test]
fn the_first_frame_of_the_server_is_settings() {
    let mut client = silent();
    client.send_octets(PREFACE).send(Frame::settings(&[]));
    // The harness checks on every connection that it is the first.
    client.wait_for("SETTINGS", |event| matches!(event, Event::Settings(_)));
}

// §3.4
#[test]
fn a_request_need_not_wait_for_the_settings_of_the_server() {
    let mut client = silent();
    let mut octets = PREFACE.to_vec();
    octets.extend(Frame::settings(&[]).encode());
    client.send_octets(&octets).get(1, "/hello");
    assert_eq!(client.response(1).expect(200).text(), "hello");
}

// §3.4
#[test]
fn a_preface_with_settings_and_a_request_may_come_in_one_piece() {
    let mut client = silent();
    let mut octets = PREFACE.to_vec();
    octets.extend(Frame::settings(&[(setting::ENABLE_PUSH, 0)]).encode());
    octets.extend(Request::get("/hello").whole(1).encode());
    client.has_opened(1).send_octets(&octets);
    assert_eq!(client.response(1).expect(200).text(), "hello");
}

// §3.4
#[test]
fn a_preface_may_come_octet_by_octet() {
    let mut client = silent();
    for octet in PREFACE.iter().chain(&Frame::settings(&[]).encode()) {
        client.send_octets(&[*octet]);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    client.settle();
    client.ask(1, &Request::get("/hello")).expect(200);
}

// §3.4
#[test]
fn a_wrong_preface_is_closed_without_an_http_1_answer() {
    for wrong in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        "PRI * HTTP/2.0\r\n\r\nSM\n\n",
        "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nsm\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        is_closed_without_an_http_1_answer(wrong.as_bytes());
    }
}

// §3.4
#[test]
fn half_a_preface_and_the_end_is_closed_without_an_http_1_answer() {
    let mut client = silent();
    client.send_octets(&PREFACE[..18]).finish_sending();
    let answer = client.rest();
    assert!(!answer.starts_with(b"HTTP/1"), "{:?}", String::from_utf8_lossy(&answer));
}

// §3.4
#[test]
fn a_preface_without_settings_after_it_is_a_connection_error() {
    for frame in [
        Request::get("/hello").whole(1),
        Frame::ping(b"too soon"),
        Frame::window_update(0, 1),
        Frame::data(1, *b"early"),
        Frame::goaway(0, Code::NO_ERROR),
    ] {
        let mut client = silent();
        client.send_octets(PREFACE).send(frame.clone());
        loop {
            // The server may omit GOAWAY here.
            match client.next(pounce_tests::PATIENCE) {
                Next::End => break,
                Next::Event(Event::GoAway { code, .. }) => {
                    assert_eq!(code, Code::PROTOCOL_ERROR, "{frame:?}")
                }
                Next::Event(Event::Settings(_) | Event::WindowUpdate { .. }) => {}
                other => panic!("{other:?} after {frame:?}"),
            }
        }
    }
}

// §3.3
#[test]
fn a_method_that_only_begins_like_the_preface_is_http_1() {
    for method in ["PROPFIND", "PRINT", "PR", "PRIX"] {
        let response = server().request(format!("{method} /hello HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(response.version, "HTTP/1.1", "{method}");
    }
}

// §3.1
#[test]
fn an_upgrade_to_h2c_is_passed_over() {
    let request = "GET /hello HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(server().request(request).expect(200).text(), "hello");
}
