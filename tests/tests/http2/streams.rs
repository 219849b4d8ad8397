//! RFC 9113 §5.1, §5.3 and §5.4: the states of a stream, identifiers, concurrency, and the state after an error.

use pounce_tests::h2::expect::Reaction;
use pounce_tests::h2::flood::octets;
use pounce_tests::h2::{Client, Code, Event, Frame, Request, setting};
use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// A connection whose stream 1 is half closed: the whole request has been sent, and no answer has come.
fn half_closed() -> (Client, String) {
    let token = token();
    let mut client = server().h2();
    client.get(1, &format!("/wait/{token}"));
    server().wait_note(&token, "waiting");
    (client, token)
}

/// A connection whose stream 1 ended on both sides.
fn closed() -> Client {
    let mut client = server().h2();
    client.get(1, "/hello").response(1).expect(200);
    client
}

fn open(client: &mut Client, stream: u32, token: &str) {
    client.ask(stream, &Request::get(&format!("/open/{token}"))).expect(200);
}

// §5.1
#[test]
fn data_on_an_idle_stream_is_a_connection_error() {
    server().h2().send(Frame::data(1, *b"nothing").end()).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §5.1
#[test]
fn a_reset_of_an_idle_stream_is_a_connection_error() {
    server().h2().send(Frame::reset(1, Code::CANCEL)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §5.1
#[test]
fn a_window_update_of_an_idle_stream_is_a_connection_error() {
    server().h2().send(Frame::window_update(1, 100)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §5.1
#[test]
fn a_continuation_on_an_idle_stream_is_a_connection_error() {
    let block = Request::get("/hello").block();
    server().h2().send(Frame::continuation(1, block)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §5.1
#[test]
fn data_after_the_end_of_a_request_is_a_stream_error() {
    let (mut client, _) = half_closed();
    client.send(Frame::data(1, *b"more"));
    client.stream_or_connection_error(1, &[Code::STREAM_CLOSED]);
}

// §5.1
#[test]
fn headers_after_the_end_of_a_request_are_a_stream_error() {
    let (mut client, _) = half_closed();
    client.send(Request::get("/hello").whole(1));
    client.stream_or_connection_error(1, &[Code::STREAM_CLOSED]);
}

// §5.1
#[test]
fn a_half_closed_stream_takes_window_updates_priorities_and_unknown_frames() {
    let (mut client, token) = half_closed();
    client.send(Frame::window_update(1, 100)).send(Frame::priority(1, 0));
    client.send(Frame::new(0xbb, 0, 1, *b"unknown"));
    open(&mut client, 3, &token);
    assert_eq!(client.response(1).expect(200).text(), "opened");
}

// §5.1
#[test]
fn a_half_closed_stream_takes_a_reset() {
    let (mut client, _) = half_closed();
    client.send(Frame::reset(1, Code::CANCEL));
    client.lives();
}

// §5.1
#[test]
fn data_on_a_closed_stream_is_an_error_or_passed_over() {
    let mut client = closed();
    client.send(Frame::data(1, *b"late"));
    match client.reaction(1) {
        Reaction::StreamError(Code::STREAM_CLOSED) | Reaction::Nothing => client.lives(),
        Reaction::ConnectionError(Code::STREAM_CLOSED | Code::PROTOCOL_ERROR) => client.is_closed(),
        other => panic!("{other:?}"),
    }
}

// §5.1
#[test]
fn headers_on_a_closed_stream_are_no_new_request() {
    let mut client = closed();
    let token = token();
    client.send(Request::get(&format!("/note/{token}/again")).whole(1));
    match client.reaction(1) {
        Reaction::StreamError(Code::STREAM_CLOSED) => client.lives(),
        Reaction::ConnectionError(Code::STREAM_CLOSED | Code::PROTOCOL_ERROR) => client.is_closed(),
        other => panic!("{other:?}"),
    }
    assert_eq!(server().notes(&token), [""; 0]);
}

// §5.1
#[test]
fn headers_on_a_stream_that_the_client_reset_are_no_new_request() {
    let (mut client, _) = half_closed();
    let token = token();
    client.send(Frame::reset(1, Code::CANCEL));
    client.send(Request::get(&format!("/note/{token}/again")).whole(1));
    match client.reaction(1) {
        Reaction::StreamError(Code::STREAM_CLOSED) => client.lives(),
        Reaction::ConnectionError(Code::STREAM_CLOSED | Code::PROTOCOL_ERROR) => client.is_closed(),
        other => panic!("{other:?}"),
    }
    assert_eq!(server().notes(&token), [""; 0]);
}

// §5.1
#[test]
fn a_closed_stream_takes_window_updates_resets_and_priorities() {
    let mut client = closed();
    client.send(Frame::window_update(1, 100)).send(Frame::priority(1, 0));
    client.send(Frame::reset(1, Code::NO_ERROR)).send(Frame::window_update(1, 100));
    client.lives();
}

// §5.1
#[test]
fn frames_that_were_on_their_way_to_a_stream_that_the_server_reset_are_passed_over() {
    let mut client = server().h2();
    // All in one piece: the client cannot know of the reset.
    client.send_all([
        Request::post("/count").field("connection", "close").open(1),
        Frame::data(1, vec![b'x'; 1000]),
        Frame::window_update(1, 10),
        Frame::data(1, vec![b'x'; 1000]).end(),
        Request::get("/hello").whole(3),
    ]);
    client.response(3).expect(200);
    client.lives();
}

// §5.1.1
#[test]
fn a_stream_with_an_even_identifier_is_a_connection_error() {
    server().h2().send(Request::get("/hello").whole(2)).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §5.1.1
#[test]
fn a_stream_with_a_lower_identifier_than_before_is_a_connection_error() {
    let mut client = server().h2();
    client.ask(5, &Request::get("/hello")).expect(200);
    let token = token();
    client.send(Request::get(&format!("/note/{token}/lower")).whole(3));
    client.connection_error(&[Code::PROTOCOL_ERROR, Code::STREAM_CLOSED]);
    assert_eq!(server().notes(&token), [""; 0]);
}

// §5.1.1
#[test]
fn identifiers_may_be_left_out_up_to_the_very_last() {
    let mut client = server().h2();
    for stream in [1, 101, 0x7fff_fffd, 0x7fff_ffff] {
        client.ask(stream, &Request::get("/hello")).expect(200);
    }
}

// §5.1.1
#[test]
fn identifiers_that_were_left_out_are_closed() {
    let mut client = server().h2();
    client.ask(5, &Request::get("/hello")).expect(200);
    client.send(Frame::data(3, *b"nobody"));
    match client.reaction(3) {
        Reaction::StreamError(Code::STREAM_CLOSED) | Reaction::Nothing => client.lives(),
        Reaction::ConnectionError(Code::STREAM_CLOSED | Code::PROTOCOL_ERROR) => client.is_closed(),
        other => panic!("{other:?}"),
    }
}

// §5.1.2
#[test]
fn one_stream_more_than_the_server_allows_is_refused_and_hurts_no_other() {
    let mut client = server().h2();
    let most = client.server_setting(setting::MAX_CONCURRENT_STREAMS, u32::MAX);
    if most > 1000 {
        return eprintln!("skipped: the server allows more than 1000 streams");
    }
    let token = token();
    let streams: Vec<u32> = (0..most).map(|number| 1 + 2 * number).collect();
    client.send_all(streams.iter().map(|stream| Request::get(&format!("/wait/{token}")).whole(*stream)));
    let extra = 1 + 2 * most;
    client.get(extra, "/hello");
    let reset = client.wait_for("a refusal", |event| event.stream() == extra);
    let Event::Reset { code, .. } = reset else { panic!("{reset:?} instead of a refusal") };
    assert!([Code::REFUSED_STREAM, Code::PROTOCOL_ERROR].contains(&code), "{code:?}");
    server().get(&format!("/open/{token}")).expect(200);
    for stream in streams {
        assert_eq!(client.response(stream).expect(200).text(), "opened");
    }
    // Their places are free again.
    client.lives();
}

// §5.3.2
#[test]
fn priorities_change_nothing() {
    let mut client = server().h2();
    client.send(Frame::priority(3, 0)).send(Frame::priority(7, 3));
    client.send(Frame::headers(1, Request::get("/hello").block()).depending(7).end());
    client.response(1).expect(200);
    client.ask(3, &Request::get("/hello")).expect(200);
}

// §5.3.2
#[test]
fn a_stream_that_depends_on_itself_is_passed_over_or_a_protocol_error() {
    for frame in [Frame::priority(3, 3), Frame::headers(3, Request::get("/hello").block()).depending(3).end()]
    {
        let mut client = server().h2();
        client.ask(1, &Request::get("/hello")).expect(200);
        client.send(frame.clone());
        // Either an answer or one of the two errors that RFC 7540 named.
        let event = client.has_opened(3).wait_for_error_or_answer(3);
        match event {
            Event::Reset { code: Code::PROTOCOL_ERROR, .. } => client.lives(),
            Event::GoAway { code: Code::PROTOCOL_ERROR, .. } => client.is_closed(),
            Event::Headers { .. } | Event::PingAck(_) => client.lives(),
            other => panic!("{other:?} after {frame:?}"),
        }
    }
}

// §5.4.1
#[test]
fn goaway_names_the_last_request_that_was_taken() {
    let mut client = server().h2();
    client.ask(1, &Request::get("/hello")).expect(200);
    client.ask(5, &Request::get("/hello")).expect(200);
    client.send(Frame::window_update(0, 0));
    let event = client.wait_for("GOAWAY", |event| matches!(event, Event::GoAway { .. }));
    assert_eq!(event, Event::GoAway { last: 5, code: Code::PROTOCOL_ERROR });
    client.is_closed();
}

// §5.4.2
#[test]
fn a_stream_error_leaves_the_other_streams_alone() {
    let (mut client, token) = half_closed();
    client.send(Request::post("/echo").field("connection", "close").whole(3));
    client.wait_for("a reset", |event| *event == Event::Reset { stream: 3, code: Code::PROTOCOL_ERROR });
    open(&mut client, 5, &token);
    assert_eq!(client.response(1).expect(200).text(), "opened");
}

// §5.4.2
#[test]
fn a_reset_is_not_answered_with_a_reset() {
    let (mut client, _) = half_closed();
    client.send(Frame::reset(1, Code::CANCEL));
    client.lives();
    assert!(client.waiting().all(|event| event.stream() != 1), "{:?}", client.waiting().collect::<Vec<_>>());
}

/// Requests from stream 3 on that are cancelled at once, all in one write.
fn cancelled(client: &mut Client, count: u32) {
    let streams = (0..count).map(|number| 3 + 2 * number);
    let frames =
        streams.flat_map(|stream| [Request::get("/hello").whole(stream), Frame::reset(stream, Code::CANCEL)]);
    client.send_octets(&octets(frames)).has_opened(1 + 2 * count);
}

// §5.1.2
#[test]
fn hundreds_of_requests_that_are_cancelled_in_one_read_leave_the_connection_alone() {
    let mut client = closed();
    cancelled(&mut client, 300);
    client.lives();
}

// §5.1.2
#[test]
fn the_measure_of_cancelled_requests_is_that_of_idle_frames() {
    let options = || Options::app("raw:app").with("--http2-max-idle-frames", "100");
    let server = Server::start(options());
    let mut client = server.h2();
    client.get(1, "/hello").response(1).expect(200);
    cancelled(&mut client, 60);
    client.lives();
    let mut client = server.h2();
    client.get(1, "/hello").response(1).expect(200);
    cancelled(&mut client, 200);
    client.connection_error(&[Code::ENHANCE_YOUR_CALM]);
}
