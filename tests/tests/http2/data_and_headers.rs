//! RFC 9113 §6.1, §6.2 and §6.10: DATA, HEADERS and CONTINUATION.

use pounce_tests::h2::{Code, Frame, Request, flag, hpack, kind};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn block() -> Vec<u8> {
    Request::get("/hello").block()
}

/// A field block in pieces: HEADERS, then as many CONTINUATION frames as needed.
fn in_pieces(stream: u32, block: &[u8], size: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> = block
        .chunks(size)
        .map(|piece| Frame::continuation(stream, piece).without(flag::END_HEADERS))
        .collect();
    frames[0].kind = kind::HEADERS;
    frames[0].flags |= flag::END_STREAM;
    let last = frames.len() - 1;
    frames[last].flags |= flag::END_HEADERS;
    frames
}

/// `between` comes after the first piece of a field block.
fn is_no_continuation(between: Frame) {
    let mut client = server().h2();
    let pieces = in_pieces(1, &block(), 20);
    client.send_all([pieces[0].clone(), between]).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.1
#[test]
fn data_of_the_connection_is_a_connection_error() {
    server().h2().send(Frame::data(0, *b"x")).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.1
#[test]
fn padding_of_data_is_taken_off() {
    let mut client = server().h2();
    client.post(1, "/echo");
    client.send(Frame::data(1, *b"one").padded(10));
    client.send(Frame::data(1, []).padded(255));
    client.send(Frame::data(1, []).padded(0));
    client.send(Frame::data(1, *b"two").padded(1).end());
    assert_eq!(client.response(1).expect(200).text(), "onetwo");
}

// §6.1
#[test]
fn more_padding_than_data_is_a_connection_error() {
    for payload in [vec![1], vec![5, 0, 0, 0, 0], vec![255, 1, 2, 3]] {
        let mut client = server().h2();
        client.post(1, "/echo").send(Frame::new(kind::DATA, flag::PADDED, 1, payload));
        client.connection_error(&[Code::PROTOCOL_ERROR]);
    }
}

// §6.1
#[test]
fn padded_data_without_its_length_is_an_error() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::new(kind::DATA, flag::PADDED, 1, []));
    client.stream_or_connection_error(1, &[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR]);
}

// §6.1
#[test]
fn empty_data_is_no_end() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::data(1, [])).send(Frame::data(1, *b"x")).send(Frame::data(1, []));
    client.send(Frame::data(1, []).end());
    assert_eq!(client.response(1).expect(200).text(), "x");
}

// §6.2
#[test]
fn headers_of_the_connection_are_a_connection_error() {
    server().h2().send(Frame::headers(0, block()).end()).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.2
#[test]
fn padding_and_priority_of_headers_are_taken_off() {
    let mut client = server().h2();
    let whole = |stream| Frame::headers(stream, block()).end();
    client.send(whole(1).padded(100)).response(1).expect(200);
    client.send(whole(3).depending(0)).response(3).expect(200);
    client.send(whole(5).depending(0).padded(9)).response(5).expect(200);
    client.send(whole(7).padded(0)).response(7).expect(200);
}

// §6.2
#[test]
fn more_padding_than_headers_is_a_connection_error() {
    let mut frame = Frame::headers(1, block()).end().with(flag::PADDED);
    frame.payload.insert(0, 200);
    server().h2().send(frame).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.2
#[test]
fn headers_too_short_for_what_their_flags_say_are_an_error() {
    for flags in [flag::PADDED, flag::PRIORITY, flag::PADDED | flag::PRIORITY] {
        let frame = Frame::new(kind::HEADERS, flags | flag::END_HEADERS | flag::END_STREAM, 1, []);
        server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR]);
    }
    // Padding that leaves less than the priority takes.
    let frame =
        Frame::new(kind::HEADERS, flag::PADDED | flag::PRIORITY | flag::END_HEADERS, 1, [4, 0, 0, 0, 0, 0]);
    server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR, Code::PROTOCOL_ERROR]);
}

// §6.2
#[test]
fn the_request_may_end_before_its_field_block() {
    let mut client = server().h2();
    client.send_all(in_pieces(1, &block(), 30));
    client.response(1).expect(200);
}

// §6.10
#[test]
fn a_field_block_may_come_in_many_pieces() {
    let mut client = server().h2();
    let large = Request::get("/hello").field("x-large", "v".repeat(20_000)).block();
    client.send_all(in_pieces(1, &large, 5000)).response(1).expect(200);
    // Split in the middle of integers, names and values; only a few very small pieces are accepted.
    client.send_all(in_pieces(3, &block(), 9)).response(3).expect(200);
}

// §6.10
#[test]
fn a_piece_of_a_field_block_may_be_empty() {
    let mut client = server().h2();
    let empty = Frame::headers(1, []).without(flag::END_HEADERS).end();
    client.send_all([empty, Frame::continuation(1, block()).without(flag::END_HEADERS)]);
    client.send(Frame::continuation(1, [])).response(1).expect(200);
}

// §6.10
#[test]
fn trailers_may_come_in_many_pieces() {
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::data(1, *b"content"));
    client.send_all(in_pieces(1, &hpack::literal(b"x-trailer", b"some value"), 4));
    assert_eq!(client.response(1).expect(200).text(), "content");
}

// §6.10
#[test]
fn nothing_else_may_come_before_the_end_of_a_field_block() {
    for between in [
        Frame::data(1, *b"x"),
        Frame::headers(1, block()).end(),
        Frame::headers(3, block()).end(),
        Frame::priority(1, 0),
        Frame::priority(3, 0),
        Frame::reset(1, Code::CANCEL),
        Frame::settings(&[]),
        Frame::settings_ack(),
        Frame::ping(b"between "),
        Frame::goaway(0, Code::NO_ERROR),
        Frame::window_update(0, 1),
        Frame::window_update(1, 1),
    ] {
        is_no_continuation(between);
    }
}

// §6.10
#[test]
fn a_continuation_of_another_stream_is_a_connection_error() {
    is_no_continuation(Frame::continuation(3, block()));
    is_no_continuation(Frame::continuation(0, block()));
}

// §6.10
#[test]
fn a_continuation_of_nothing_is_a_connection_error() {
    let mut client = server().h2();
    client.ask(1, &Request::get("/hello")).expect(200);
    client.send(Frame::continuation(1, hpack::literal(b"x", b"y"))).connection_error(&[Code::PROTOCOL_ERROR]);
    let mut client = server().h2();
    client.post(1, "/echo").send(Frame::continuation(1, hpack::literal(b"x", b"y")));
    client.connection_error(&[Code::PROTOCOL_ERROR]);
    server().h2().send(Frame::continuation(0, [])).connection_error(&[Code::PROTOCOL_ERROR]);
}
