//! Clients that leave, that do not read and that do not send, over every transport.

use pounce_tests::notes::{standstill, token};
use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::transport::Servers;
use pounce_tests::{Ask, End, Exchange, Options, Server, Transport, over_every_transport};
use std::time::Duration;

const MIB: usize = 1 << 20;

static SERVERS: Servers = Servers::new(|| Options::app("transport:app"));

/// A server with short timeouts.
static HASTY: Servers = Servers::new(|| {
    let options = Options::app("transport:app").with("--timeout-body", "1").with("--timeout-write", "1");
    options.with("--timeout-header", "1")
});

over_every_transport! {
    a_client_that_leaves_is_a_disconnect_and_send_raises,
    a_client_that_closes_is_a_disconnect_and_send_raises,
    a_client_whose_connection_is_lost_is_a_disconnect_and_send_raises,
    a_client_that_leaves_a_response_without_a_body_makes_send_raise,
    a_client_that_leaves_a_response_without_a_body_is_a_disconnect,
    a_client_that_leaves_in_the_middle_of_its_body_is_a_disconnect,
    a_client_that_leaves_in_the_middle_of_a_response_makes_send_raise,
    a_reader_that_stops_makes_send_wait_and_gets_everything_later,
    an_unread_body_is_not_accepted,
    a_body_that_stalls_is_timed_out,
    sending_to_a_client_that_got_408_raises,
    a_body_that_comes_slowly_but_steadily_is_taken,
    a_client_that_does_not_read_is_aborted_and_the_application_notified,
    a_slow_application_is_not_timed_out,
    an_application_that_leaves_the_body_alone_is_no_fault_of_the_client,
    a_connection_that_waits_for_its_application_is_not_idle,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

/// The capacity of the sockets on both sides, and a little that the server may have read ahead.
fn held_by_sockets() -> usize {
    largest_receive_buffer() + largest_send_buffer() + 3 * MIB
}

fn learns_that_its_client_is_gone(transport: Transport, ask: impl Fn(&str) -> Ask, leave: fn(Exchange)) {
    let token = token();
    let exchange = transport.ask(server(transport), &ask(&token));
    server(transport).wait_note(&token, "began");
    leave(exchange);
    let note = server(transport).wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
    assert_eq!(server(transport).notes(&token)[..2], ["began", "http.disconnect"]);
}

fn a_client_that_leaves_is_a_disconnect_and_send_raises(transport: Transport) {
    learns_that_its_client_is_gone(transport, |token| Ask::get(&format!("/never/{token}")), Exchange::leave);
}

fn a_client_that_closes_is_a_disconnect_and_send_raises(transport: Transport) {
    learns_that_its_client_is_gone(transport, |token| Ask::get(&format!("/never/{token}")), drop);
}

fn a_client_whose_connection_is_lost_is_a_disconnect_and_send_raises(transport: Transport) {
    learns_that_its_client_is_gone(transport, |token| Ask::get(&format!("/never/{token}")), Exchange::vanish);
}

/// Requests `path`, whose response has no body and does not end, and leaves when the head has come.
fn leaves_a_head(transport: Transport, path: &str, note: &str) {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        for leave in [drop, Exchange::vanish] {
            let token = token();
            let ask = Ask::new(method, &format!("/{path}/{token}/{status}"));
            let mut exchange = transport.ask(server(transport), &ask);
            server(transport).wait_note(&token, "began");
            assert_eq!(exchange.head().status, status);
            leave(exchange);
            let noted = server(transport).wait_note(&token, note);
            assert!(!noted.starts_with("error") || noted.contains("OSError"), "{noted}");
        }
    }
}

fn a_client_that_leaves_a_response_without_a_body_makes_send_raise(transport: Transport) {
    leaves_a_head(transport, "stream-until-it-raises", "error ");
}

fn a_client_that_leaves_a_response_without_a_body_is_a_disconnect(transport: Transport) {
    leaves_a_head(transport, "listen-within-a-response", "http.disconnect");
}

fn a_client_that_leaves_in_the_middle_of_its_body_is_a_disconnect(transport: Transport) {
    let ask = |token: &str| Ask::post(&format!("/never/{token}")).length(100_000);
    let leave = |mut exchange: Exchange| {
        exchange.send("the beginning");
        exchange.leave();
    };
    learns_that_its_client_is_gone(transport, ask, leave);
}

fn a_client_that_leaves_in_the_middle_of_a_response_makes_send_raise(transport: Transport) {
    let token = token();
    let mut exchange =
        transport.ask(server(transport), &Ask::get(&format!("/progress/{token}/100000/65536")));
    exchange.piece().expect("a first piece");
    exchange.leave();
    let note = server(transport).wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

fn a_reader_that_stops_makes_send_wait_and_gets_everything_later(transport: Transport) {
    let token = token();
    let parts = (held_by_sockets() + 16 * MIB) / 65536;
    let ask = Ask::get(&format!("/progress/{token}/{parts}/65536"));
    let exchange = transport.ask_with_receive_buffer(server(transport), &ask, 65536);
    let reached = standstill(|| server(transport).notes(&token).len());
    assert!(reached < parts, "send never waited");
    let answer = exchange.answer().expect(200);
    assert_eq!(answer.body.len(), parts * 65536);
    server(transport).wait_note(&token, "done");
}

fn an_unread_body_is_not_accepted(transport: Transport) {
    let token = token();
    let size = held_by_sockets() + 16 * MIB;
    let ask = Ask::post(&format!("/wait-then-count/{token}")).length(size);
    let mut exchange = transport.ask(server(transport), &ask);
    server(transport).wait_note(&token, "waiting");
    let block = vec![b'x'; 65536];
    let sent = exchange.upload.pump(&block, size, Duration::from_secs(2));
    assert!(sent <= held_by_sockets(), "took {sent} bytes that nobody had asked for");
    server(transport).get(&format!("/open/{token}")).expect(200);
    let rest = exchange.upload.pump(&block, size - sent, Duration::from_secs(30));
    assert_eq!(sent + rest, size);
    exchange.finish();
    assert_eq!(exchange.answer().expect(200).text(), size.to_string());
}

fn a_body_that_stalls_is_timed_out(transport: Transport) {
    let server = HASTY.over(transport);
    for streamed in [false, true] {
        let token = token();
        let ask = Ask::post(&format!("/count/{token}"));
        let ask = if streamed { ask.streamed() } else { ask.length(10) };
        let mut exchange = transport.ask(server, &ask);
        exchange.send("hello");
        assert_eq!(exchange.answer().status(), Some(408), "streamed: {streamed}");
        server.wait_note(&token, "disconnect after 5");
    }
}

fn sending_to_a_client_that_got_408_raises(transport: Transport) {
    let (server, token) = (HASTY.over(transport), token());
    let mut exchange = transport.ask(server, &Ask::post(&format!("/never/{token}")).length(10));
    exchange.send("hello");
    assert_eq!(exchange.answer().status(), Some(408));
    let note = server.wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

fn a_body_that_comes_slowly_but_steadily_is_taken(transport: Transport) {
    let mut exchange = transport.ask(HASTY.over(transport), &Ask::post("/echo").length(8));
    for _ in 0..8 {
        exchange.send("x");
        std::thread::sleep(Duration::from_millis(300));
    }
    exchange.finish();
    assert_eq!(exchange.answer().expect(200).text(), "xxxxxxxx");
}

fn a_client_that_does_not_read_is_aborted_and_the_application_notified(transport: Transport) {
    let token = token();
    let ask = Ask::get(&format!("/progress/{token}/2000/65536"));
    let exchange = transport.ask_with_receive_buffer(HASTY.over(transport), &ask, 16384);
    let note = HASTY.over(transport).wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
    let answer = exchange.answer();
    assert_ne!(answer.end, End::Complete, "the whole response came all the same");
}

fn a_slow_application_is_not_timed_out(transport: Transport) {
    assert_eq!(transport.get(HASTY.over(transport), "/sleep/3").expect(200).text(), "slept 3");
}

fn an_application_that_leaves_the_body_alone_is_no_fault_of_the_client(transport: Transport) {
    let (token, server) = (token(), HASTY.over(transport));
    let mut exchange = transport.ask(server, &Ask::post(&format!("/wait-then-count/{token}")).length(5));
    exchange.send("hello").finish();
    server.wait_note(&token, "waiting");
    std::thread::sleep(Duration::from_millis(2500));
    server.get(&format!("/open/{token}")).expect(200);
    assert_eq!(exchange.answer().expect(200).text(), "5");
}

fn a_connection_that_waits_for_its_application_is_not_idle(transport: Transport) {
    let options = Options::app("transport:app").with("--timeout-keep-alive", "1");
    let server = Server::start(options.over(transport));
    let exchange = transport.ask(&server, &Ask::get("/sleep/2.5"));
    assert_eq!(exchange.answer().expect(200).text(), "slept 2.5");
}
