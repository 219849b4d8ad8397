//! Pings: the server answers the client's, and detects lost clients by its own.

use pounce_tests::notes::token;
use pounce_tests::websocket::{PING, TEXT};
use pounce_tests::{Frame, Options, Server, Transport, over_every_transport};
use std::time::Duration;

over_every_transport! {
    a_ping_is_answered_with_its_payload,
    pings_are_answered_in_order_and_before_later_messages,
    messages_after_a_burst_of_pings_are_delivered,
    an_unasked_pong_is_ignored,
    an_idle_client_is_pinged_and_stays_if_it_answers,
    a_client_that_does_not_answer_is_closed,
    any_sign_of_life_answers_a_ping,
    without_an_interval_no_client_is_pinged,
    timeouts_of_requests_do_not_end_a_websocket,
}

fn a_ping_is_answered_with_its_payload(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    for payload in [&b""[..], b"payload", &[255; 125]] {
        socket.send(Frame::ping(payload)).expect(Frame::pong(payload));
    }
}

fn pings_are_answered_in_order_and_before_later_messages(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    let frames = [Frame::ping("1"), Frame::ping("2"), Frame::text("3")];
    socket.send_bytes(frames.iter().flat_map(Frame::masked).collect::<Vec<u8>>());
    socket.expect(Frame::pong("1")).expect(Frame::pong("2")).expect_text("3");
}

fn messages_after_a_burst_of_pings_are_delivered(transport: Transport) {
    // The server's own pings would make it check again.
    let server = transport.start(Options::app("websocket:app").with("--ws-ping-interval", "0"));
    // More pongs than the server gathers before it writes, up to several times as many.
    for count in [300, 600, 700, 1200] {
        let mut socket = transport.connect(&server, "/echo");
        let mut burst = Frame::ping([b'p'; 125]).masked().repeat(count);
        burst.extend(Frame::text("behind").masked());
        socket.send_bytes(burst);
        for _ in 0..count {
            socket.expect(Frame::pong([b'p'; 125]));
        }
        socket.expect_text("behind");
    }
}

fn an_unasked_pong_is_ignored(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/echo");
    socket.send(Frame::pong("")).send(Frame::pong("unasked")).send_text("on").expect_text("on");
}

fn pinging(transport: Transport, timeout: &str) -> Server {
    let options = Options::app("websocket:app").with("--ws-ping-interval", "0.3");
    transport.start(options.with("--ws-ping-timeout", timeout))
}

fn an_idle_client_is_pinged_and_stays_if_it_answers(transport: Transport) {
    let server = pinging(transport, "5");
    let mut socket = transport.connect(&server, "/echo");
    for _ in 0..4 {
        let ping = socket.frame();
        assert!(ping.is_whole(PING) && ping.payload.len() <= 125, "{ping:?}");
        socket.send(Frame::pong(ping.payload));
    }
    socket.send_text("still there").expect_text("still there");
}

fn a_client_that_does_not_answer_is_closed(transport: Transport) {
    let server = pinging(transport, "0.3");
    let token = token();
    let mut socket = transport.connect(&server, &format!("/echo/{token}"));
    assert!(socket.frame().is_whole(PING));
    socket.expect_close(1011);
    socket.expect_end();
    // Requested over a connection that is never idle long enough to be pinged.
    assert_eq!(transport.wait_note(&server, &token, "disconnect"), "disconnect 1006 ''");
}

fn any_sign_of_life_answers_a_ping(transport: Transport) {
    let server = pinging(transport, "5");
    let mut socket = transport.connect(&server, "/echo");
    for round in 0..4 {
        assert!(socket.frame().is_whole(PING));
        socket.send_text(format!("round {round}"));
        let answer = socket.frame();
        assert!(answer.is_whole(TEXT), "{answer:?}");
    }
}

fn without_an_interval_no_client_is_pinged(transport: Transport) {
    let options = Options::app("websocket:app").with("--ws-ping-interval", "0");
    let server = transport.start(options.with("--ws-ping-timeout", "0.3"));
    let mut socket = transport.connect(&server, "/echo");
    socket.expect_silence(Duration::from_secs(1));
    socket.send_text("on").expect_text("on");
}

fn timeouts_of_requests_do_not_end_a_websocket(transport: Transport) {
    let options =
        Options::app("websocket:app").with("--timeout-keep-alive", "1").with("--timeout-header", "1");
    let server = transport.start(options.with("--timeout-body", "1").with("--timeout-write", "1"));
    let mut socket = transport.connect(&server, "/echo");
    socket.expect_silence(Duration::from_millis(2500));
    socket.send_text("on").expect_text("on");
}
