//! Backpressure in both directions: what nobody takes is not taken from whoever offers it.

use pounce_tests::attack::growth_kib;
use pounce_tests::notes::{standstill, token};
use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::{Frame, Options, Transport, over_every_transport};
use std::time::Duration;

over_every_transport! {
    a_client_that_does_not_read_suspends_send,
    a_client_that_does_not_read_and_leaves_frees_the_application,
    a_client_that_does_not_read_for_too_long_is_left,
    an_application_that_does_not_receive_stops_the_client,
    pings_are_answered_while_the_queue_has_room,
    a_queue_of_one_still_delivers_everything,
}

const MIB: usize = 1 << 20;

/// Several fit what HTTP/2 lets a server send at first.
const PIECE: usize = 16 * 1024;

/// What the sockets on both sides may hold, and a little that either side may have read ahead.
fn held_by_sockets() -> usize {
    largest_receive_buffer() + largest_send_buffer() + 4 * MIB
}

fn a_client_that_does_not_read_suspends_send(transport: Transport) {
    let (token, server) = (token(), transport.start(Options::app("websocket:app")));
    transport.hear(&server, "/hello");
    let count = (held_by_sockets() + 64 * MIB) / PIECE;
    let target = format!("/progress/{token}/{count}/{PIECE}");
    let mut reached = 0;
    let mut socket = None;
    let growth = growth_kib(&server, || {
        socket = Some(transport.connect_with_receive_buffer(&server, &target, 65536));
        reached = standstill(|| transport.notes(&server, &token).len());
    });
    assert!(0 < reached && reached < count, "send never waited: {reached} of {count}");
    assert!(growth < 8 * 1024, "grew by {growth} KiB");
    let mut socket = socket.expect("it is open");
    for number in 0..count {
        assert_eq!(socket.binary().len(), PIECE, "{number}");
    }
    socket.closed_by_server(1000);
    transport.wait_note(&server, &token, "done");
}

fn a_client_that_does_not_read_and_leaves_frees_the_application(transport: Transport) {
    let (token, server) = (token(), transport.shared());
    let count = (held_by_sockets() + 64 * MIB) / PIECE;
    let target = format!("/progress/{token}/{count}/{PIECE}");
    let socket = transport.connect_with_receive_buffer(server, &target, 65536);
    standstill(|| transport.notes(server, &token).len());
    socket.abort();
    let note = transport.wait_note(server, &token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

fn a_client_that_does_not_read_for_too_long_is_left(transport: Transport) {
    let (token, server) =
        (token(), transport.start(Options::app("websocket:app").with("--timeout-write", "1")));
    let count = (held_by_sockets() + 64 * MIB) / 65536;
    let target = format!("/progress/{token}/{count}/65536");
    let _socket = transport.connect_with_receive_buffer(&server, &target, 65536);
    let note = transport.wait_note(&server, &token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

fn an_application_that_does_not_receive_stops_the_client(transport: Transport) {
    let options = Options::app("websocket:app").with("--ws-max-queue", "4");
    let (token, server) = (token(), transport.start(options));
    let mut socket = transport.connect(&server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(&server, &token, "accepted");
    let message = Frame::binary(vec![7; 65536]).masked();
    let limit = (held_by_sockets() + 64 * MIB) / message.len() * message.len();
    let mut sent = 0;
    let growth = growth_kib(&server, || sent = socket.pump(&message, limit, Duration::from_secs(2)));
    assert!(sent <= held_by_sockets() + 4 * message.len(), "took {sent} bytes that nobody had asked for");
    assert!(growth < 8 * 1024, "grew by {growth} KiB");

    transport.hear(&server, &format!("/open/{token}"));
    // The message that was cut, then a few more.
    let more = (message.len() - sent % message.len()) % message.len();
    socket.send_bytes(&message[message.len() - more..]);
    for _ in 0..10 {
        socket.send_bytes(&message);
    }
    socket.close(1000, "");
    let count = (sent + more) / message.len() + 10;
    transport.wait_note(&server, &token, &format!("received {count} {}", count * 65536));
}

fn pings_are_answered_while_the_queue_has_room(transport: Transport) {
    let (token, server) = (token(), transport.shared());
    let mut socket = transport.connect(server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(server, &token, "accepted");
    for number in 0..10 {
        socket.send_text("waits");
        let payload = format!("{number}");
        socket.send(Frame::ping(payload.clone())).expect(Frame::pong(payload));
    }
    transport.hear(server, &format!("/open/{token}"));
    socket.close(1000, "");
    transport.wait_note(server, &token, "received 10 50");
}

fn a_queue_of_one_still_delivers_everything(transport: Transport) {
    let server = transport.start(Options::app("websocket:app").with("--ws-max-queue", "1"));
    let mut socket = transport.connect(&server, "/echo");
    for block in 0..10 {
        let texts: Vec<String> = (0..50).map(|number| format!("{block} {number}")).collect();
        socket.send_bytes(texts.iter().flat_map(|text| Frame::text(text).masked()).collect::<Vec<u8>>());
        for text in &texts {
            socket.expect_text(text);
        }
    }
    socket.close(1000, "");
}
