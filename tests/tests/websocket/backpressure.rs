//! Backpressure in both directions: the server does not accept data that the other side does not read.

use pounce_tests::attack::growth_kib;
use pounce_tests::notes::{standstill, token};
use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::{Frame, Options, Server, Transport, WebSocket, over_every_transport};
use std::time::Duration;

over_every_transport! {
    a_client_that_does_not_read_suspends_send,
    a_client_that_does_not_read_and_leaves_frees_the_application,
    a_client_that_does_not_read_for_too_long_is_disconnected,
    an_application_that_does_not_receive_stops_the_client,
    pings_are_answered_while_the_queue_has_room,
    a_queue_of_one_still_delivers_everything,
    websockets_over_the_budget_of_their_worker_wait_their_turn,
    websockets_that_wait_their_turn_close_as_the_server_drains,
}

const MIB: usize = 1 << 20;

/// Several fit into the initial window that HTTP/2 gives a server.
const PIECE: usize = 16 * 1024;

/// The capacity of the sockets on both sides, and a little that either side may have read ahead.
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

fn a_client_that_does_not_read_for_too_long_is_disconnected(transport: Transport) {
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

/// WebSockets whose application does not receive yet, with a message of 1 MiB sent to each as far as that goes. The
/// client of one in four leaves.
fn over_the_budget(
    transport: Transport,
    server: &Server,
    count: usize,
    message: &[u8],
) -> Vec<(WebSocket, String, usize)> {
    let mut sockets = Vec::new();
    for number in 0..count {
        let token = token();
        let mut socket = transport.connect(server, &format!("/wait-then-watch/{token}"));
        transport.wait_note(server, &token, "accepted");
        let sent = socket.pump(message, message.len(), Duration::from_millis(50));
        if number % 4 == 3 {
            socket.abort();
        } else {
            sockets.push((socket, token, sent));
        }
    }
    sockets
}

fn with_small_budget(transport: Transport) -> Server {
    let options = Options::app("websocket:app").with("--ws-max-queued-bytes", "1MiB");
    let server = transport.start(options.with("--timeout-graceful-shutdown", "1"));
    transport.hear(&server, "/hello");
    server
}

fn websockets_over_the_budget_of_their_worker_wait_their_turn(transport: Transport) {
    let server = with_small_budget(transport);
    let message = Frame::binary(vec![7; MIB]).masked();
    let mut sockets = Vec::new();
    let growth = growth_kib(&server, || sockets = over_the_budget(transport, &server, 32, &message));
    // A connection of HTTP/2 or TLS has additional buffers.
    let each = if transport.is_http2() || transport.is_tls() { 400 } else { 100 };
    assert!(growth < 4 * 1024 + 32 * each, "grew by {growth} KiB");

    // A WebSocket whose application waits is served anyway, and so is one that gets only pings.
    let mut echo = transport.connect(&server, "/echo");
    echo.send_binary(vec![1; 100_000]);
    assert_eq!(echo.binary().len(), 100_000);
    let mut quiet = transport.connect(&server, &format!("/wait-then-watch/{}", token()));
    quiet.send(Frame::ping("p")).expect(Frame::pong("p"));

    for (socket, token, sent) in &mut sockets {
        transport.hear(&server, &format!("/open/{token}"));
        socket.send_bytes(&message[*sent..]).send_close(1000, "");
        transport.wait_note(&server, token, &format!("received 1 {MIB}"));
        transport.wait_note(&server, token, "disconnect 1000");
    }
}

fn websockets_that_wait_their_turn_close_as_the_server_drains(transport: Transport) {
    let mut server = with_small_budget(transport);
    let message = Frame::binary(vec![7; MIB]).masked();
    let sockets = over_the_budget(transport, &server, 12, &message);
    server.sigterm();
    for (mut socket, _, sent) in sockets {
        // Waiting messages are read and dropped, so that the close handshake can complete.
        socket.send_bytes(&message[sent..]);
        socket.closed_by_server(1012);
    }
    assert_eq!(server.wait_exit().code, Some(0));
}
