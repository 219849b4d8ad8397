//! `--timeout-request`: a request that takes too long is answered for the application, or cut off.

use std::time::Duration;

use pounce_tests::notes::token;
use pounce_tests::transport::{Ask, Servers};
use pounce_tests::{End, Options, Server, Transport, over_every_transport};

static SERVERS: Servers = Servers::new(|| {
    Options::app("transport:app").with("--timeout-request", "0.5").with("--metrics-path", "/metrics")
});

over_every_transport! {
    an_application_that_does_not_answer_is_cancelled_and_answered_for,
    a_client_that_leaves_does_not_make_its_request_last_longer,
    a_response_that_does_not_end_is_cut_off,
    what_the_application_does_after_its_response_goes_on,
    a_websocket_lasts_as_long_as_its_users_like,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

fn an_application_that_does_not_answer_is_cancelled_and_answered_for(transport: Transport) {
    let token = token();
    let answer = transport.get(server(transport), &format!("/sleep/60/{token}")).expect(503);
    assert_eq!(answer.text(), "the request took too long\n");
    assert_eq!(answer.end, End::Complete);
    server(transport).wait_note(&token, "cancelled");
    server(transport).wait_stderr(&format!("GET /sleep/60/{token} has taken 500ms and is given up"));
    transport.get(server(transport), "/hello").expect(200);
    let metrics = transport.get(server(transport), "/metrics").expect(200).text();
    assert!(!metrics.contains("reason=\"request_timeout\"} 0\n"), "{metrics}");
}

fn a_client_that_leaves_does_not_make_its_request_last_longer(transport: Transport) {
    let (server, token) = (server(transport), token());
    let path = format!("/sleep/60/{token}");
    let exchange = transport.ask(server, &Ask::get(&path));
    server.wait_note(&token, "began");
    exchange.leave();
    server.wait_note(&token, "cancelled");
    server.wait_stderr(&format!("GET {path} has taken 500ms and is given up"));
}

fn a_response_that_does_not_end_is_cut_off(transport: Transport) {
    let answer = transport.get(server(transport), "/slow-stream/1000/0.05");
    assert_eq!(answer.status(), Some(200));
    assert_ne!(answer.end, End::Complete, "{answer:?}");
    assert!(!answer.body.is_empty(), "what was sent before arrives");
    transport.get(server(transport), "/hello").expect(200);
}

fn what_the_application_does_after_its_response_goes_on(transport: Transport) {
    let token = token();
    transport.get(server(transport), &format!("/go-on/{token}/1.5")).expect(200);
    server(transport).wait_note(&token, "ended");
}

fn a_websocket_lasts_as_long_as_its_users_like(transport: Transport) {
    let server = transport.start(Options::app("websocket:app").with("--timeout-request", "0.3"));
    let mut socket = transport.connect(&server, "/echo");
    socket.send_text("one").expect_text("one");
    std::thread::sleep(Duration::from_millis(900));
    socket.send_text("two").expect_text("two");
}
