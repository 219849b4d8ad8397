//! RFC 9113 §6.3, §6.4, §6.6, §6.7, §6.8 and §7: PRIORITY, RST_STREAM, PUSH_PROMISE, PING, GOAWAY, error codes.

use pounce_tests::h2::{Code, Event, Frame, Request, flag, kind};
use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

// §6.3
#[test]
fn a_priority_of_the_connection_is_a_connection_error() {
    server().h2().send(Frame::priority(0, 1)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.3
#[test]
fn a_priority_of_a_wrong_size_is_an_error() {
    for size in [0, 4, 6] {
        let mut client = server().h2();
        client.post(1, "/echo").send(Frame::new(kind::PRIORITY, 0, 1, vec![0; size]));
        client.stream_or_connection_error(1, &[Code::FRAME_SIZE_ERROR]);
    }
}

// §6.3
#[test]
fn a_priority_may_come_in_any_state_and_opens_nothing() {
    let mut client = server().h2();
    client.send(Frame::priority(9, 0)).send(Frame::priority(1, 9));
    client.post(1, "/echo").send(Frame::priority(1, 0)).send(Frame::data(1, *b"x").end());
    client.response(1).expect(200);
    client.send(Frame::priority(1, 3));
    client.ask(3, &Request::get("/hello")).expect(200);
}

// §6.4
#[test]
fn a_reset_of_the_connection_is_a_connection_error() {
    server().h2().send(Frame::reset(0, Code::CANCEL)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.4
#[test]
fn a_reset_of_a_wrong_size_is_a_connection_error() {
    for size in [0, 3, 5, 8] {
        let mut client = server().h2();
        client.post(1, "/echo").send(Frame::new(kind::RST_STREAM, 0, 1, vec![0; size]));
        client.connection_error(&[Code::FRAME_SIZE_ERROR]);
    }
}

// §6.4
#[test]
fn a_reset_ends_one_stream_and_no_other() {
    let (first, second) = (token(), token());
    let mut client = server().h2();
    client.get(1, &format!("/wait/{first}")).get(3, &format!("/wait/{second}"));
    server().wait_note(&second, "waiting");
    client.send(Frame::reset(1, Code::CANCEL));
    client.ask(5, &Request::get(&format!("/open/{first}"))).expect(200);
    client.ask(7, &Request::get(&format!("/open/{second}"))).expect(200);
    assert_eq!(client.response(3).expect(200).text(), "opened");
    let after: Vec<_> = client.waiting().filter(|event| event.stream() == 1).collect();
    assert!(after.is_empty(), "{after:?}");
}

// §6.6
#[test]
fn a_push_promise_of_a_client_is_a_connection_error() {
    let payload = [[0, 0, 0, 2].as_slice(), &Request::get("/hello").block()].concat();
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 1, payload));
    client.connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.7
#[test]
fn a_ping_is_answered_with_its_payload() {
    let mut client = server().h2();
    client.send_all([Frame::ping(b"\0\x01\x02\x03\xfc\xfd\xfe\xff"), Frame::ping(b"second..")]);
    for payload in [b"\0\x01\x02\x03\xfc\xfd\xfe\xff", b"second.."] {
        let answer = client.wait_for("an answer to PING", |event| matches!(event, Event::PingAck(_)));
        assert_eq!(answer, Event::PingAck(*payload));
    }
}

// §6.7
#[test]
fn an_answer_to_a_ping_is_not_answered() {
    let mut client = server().h2();
    client.send(Frame::ping(b"unasked.").with(flag::ACK));
    client.lives();
    assert!(client.waiting().all(|event| !matches!(event, Event::PingAck(_) | Event::Ping(_))));
}

// §6.7
#[test]
fn a_ping_of_a_stream_is_a_connection_error() {
    let frame = Frame { stream: 1, ..Frame::ping(b"a stream") };
    server().h2().send(frame).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.7
#[test]
fn a_ping_of_a_wrong_size_is_a_connection_error() {
    for (size, flags) in [(0, 0), (7, 0), (9, 0), (6, flag::ACK), (16, flag::ACK)] {
        let frame = Frame::new(kind::PING, flags, 0, vec![0; size]);
        server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR]);
    }
}

// §6.7
#[test]
fn a_ping_is_answered_while_requests_wait() {
    let token = token();
    let mut client = server().h2();
    client.get(1, &format!("/wait/{token}"));
    server().wait_note(&token, "waiting");
    client.answers_ping();
    client.ask(3, &Request::get(&format!("/open/{token}"))).expect(200);
    client.response(1).expect(200);
}

// §6.8
#[test]
fn a_goaway_of_a_stream_is_a_connection_error() {
    let frame = Frame { stream: 1, ..Frame::goaway(0, Code::NO_ERROR) };
    server().h2().send(frame).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.8
#[test]
fn a_goaway_that_is_too_short_is_a_connection_error() {
    let frame = Frame::new(kind::GOAWAY, 0, 0, [0; 7]);
    server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR]);
}

// §6.8
#[test]
fn a_client_that_goes_away_gets_its_answers_and_then_the_end() {
    let token = token();
    let mut client = server().h2();
    client.get(1, &format!("/wait/{token}"));
    server().wait_note(&token, "waiting");
    let mut frame = Frame::goaway(0, Code::NO_ERROR);
    frame.payload.extend(b"debug data");
    client.send(frame);
    server().get(&format!("/open/{token}")).expect(200);
    assert_eq!(client.response(1).expect(200).text(), "opened");
    client.is_closed();
}

// §7
#[test]
fn unknown_error_codes_mean_nothing_special() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::reset(1, Code(0xdead)));
    client.ask(3, &Request::get("/hello")).expect(200);
    let token = token();
    client.get(5, &format!("/wait/{token}"));
    server().wait_note(&token, "waiting");
    client.send(Frame::goaway(0, Code(0xbeef)));
    // The connection may end at once for a client that goes away with an error.
    server().get(&format!("/open/{token}")).expect(200);
    server().h2().lives();
}
