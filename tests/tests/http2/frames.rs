//! RFC 9113 §4.1, §4.2 and §5.5: the layout and the size of frames, and extensions.

use pounce_tests::h2::{Client, Code, Frame, Request, flag, kind, setting};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

const RESERVED: u32 = 0x8000_0000;

// §4.1
#[test]
fn the_reserved_bit_is_ignored() {
    let mut client = server().h2();
    let mut request = Request::get("/hello").open(1).encode();
    request[5] |= 0x80;
    request[4] |= flag::END_STREAM;
    // Tell the harness of the stream without the bit.
    client.has_opened(1);
    client.send_octets(&request);
    client.response(1).expect(200);
    client.send(Frame::new(kind::PING, 0, RESERVED, *b"reserved"));
    client.lives();
}

// §4.1
#[test]
fn flags_without_a_meaning_are_ignored() {
    let mut client = server().h2();
    client.send(Frame::ping(b"no flags").with(0xfe));
    client.send(Frame::settings(&[]).with(0xfe));
    client.send(Request::get("/hello").whole(1).with(0xd2));
    client.response(1).expect(200);
    client.post(3, "/echo").send(Frame::data(3, *b"content").end().with(0xf6));
    assert_eq!(client.response(3).expect(200).text(), "content");
}

// §4.1
#[test]
fn a_frame_may_come_octet_by_octet() {
    let mut client = server().h2();
    client.post(1, "/echo");
    for octet in Frame::data(1, *b"in many pieces").end().encode() {
        client.send_octets(&[octet]);
    }
    assert_eq!(client.response(1).expect(200).text(), "in many pieces");
}

// §4.2
#[test]
fn a_frame_of_the_largest_size_is_taken() {
    let mut client = server().h2();
    client.post(1, "/count").send(Frame::data(1, vec![b'x'; 16_384]).end());
    assert_eq!(client.response(1).expect(200).text(), "16384");
}

/// One octet more than the server accepts, or none if that exceeds the windows.
fn oversize(client: &Client) -> Option<usize> {
    let largest = client.server_setting(setting::MAX_FRAME_SIZE, 16_384);
    (largest < 65_000).then_some(largest as usize + 1)
}

// §4.2
#[test]
fn data_larger_than_the_largest_frame_is_an_error() {
    let mut client = server().h2();
    let Some(size) = oversize(&client) else {
        return eprintln!("skipped: the server takes very large frames");
    };
    client.post(1, "/count").send(Frame::data(1, vec![b'x'; size]).end());
    client.stream_or_connection_error(1, &[Code::FRAME_SIZE_ERROR]);
}

// §4.2
#[test]
fn a_field_block_larger_than_the_largest_frame_is_a_connection_error() {
    let mut client = server().h2();
    let Some(size) = oversize(&client) else {
        return eprintln!("skipped: the server takes very large frames");
    };
    let mut block = Request::get("/hello").block();
    block.resize(size, 0);
    client.send(Frame::headers(1, block).end()).connection_error(&[Code::FRAME_SIZE_ERROR]);
}

// §4.2
#[test]
fn a_frame_of_the_connection_larger_than_the_largest_is_a_connection_error() {
    for kind in [kind::SETTINGS, kind::UNKNOWN, kind::GOAWAY] {
        let mut client = server().h2();
        let Some(size) = oversize(&client) else { return eprintln!("skipped: it takes very large frames") };
        client.send(Frame::new(kind, 0, 0, vec![0; size])).connection_error(&[Code::FRAME_SIZE_ERROR]);
    }
}

// §4.2
#[test]
fn the_server_keeps_to_the_largest_frame_of_the_client() {
    // The harness checks every frame against it.
    let mut client = server().h2();
    let response = client.ask(1, &Request::get("/big/100000")).expect(200);
    assert_eq!(response.body.len(), 100_000);
    let mut client = server().h2_with(&[(setting::MAX_FRAME_SIZE, 20_000)]);
    let response = client.ask(1, &Request::get("/big/100000")).expect(200);
    assert_eq!(response.body.len(), 100_000);
}

// §5.5
#[test]
fn frames_of_unknown_types_are_ignored() {
    let mut client = server().h2();
    client.send(Frame::new(kind::UNKNOWN, 0xff, 0, *b"unknown"));
    client.send(Frame::new(0xff, 0, 0, []));
    client.post(1, "/echo");
    client.send(Frame::new(kind::UNKNOWN, 0xff, 1, vec![0xff; 1000]));
    client.send(Frame::data(1, *b"content").end());
    assert_eq!(client.response(1).expect(200).text(), "content");
    client.send(Frame::new(kind::UNKNOWN, 0, 1, *b"closed by now"));
    client.lives();
}

// §5.5
#[test]
fn a_priority_update_is_ignored() {
    let mut client = server().h2();
    client.send(Frame::new(kind::PRIORITY_UPDATE, 0, 0, *b"\0\0\0\x01u=1"));
    client.ask(1, &Request::get("/hello").field("priority", "u=1, i")).expect(200);
}

// §5.5
#[test]
fn an_unknown_frame_within_a_field_block_is_a_connection_error() {
    let mut client = server().h2();
    let block = Request::get("/hello").block();
    client.send(Frame::headers(1, &block[..10]).without(flag::END_HEADERS).end());
    client.send(Frame::new(kind::UNKNOWN, 0, 1, *b"between"));
    client.send(Frame::continuation(1, &block[10..]));
    client.connection_error(&[Code::PROTOCOL_ERROR]);
}
