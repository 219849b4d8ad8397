//! `receive()` and `send()` that are cancelled, or outlive their exchange: nothing is lost, nothing spins,
//! no task waits for ever.

use pounce_tests::notes::token;
use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::{Client, Options, Server};
use std::time::Duration;

/// No timeout of the server may hide a fault.
fn start() -> Server {
    let options = Options::app("raw:app").with("--timeout-write", "600").with("--timeout-header", "600");
    Server::start(options.with("--timeout-body", "600").with("--timeout-keep-alive", "600"))
}

#[test]
fn a_client_that_leaves_after_a_receive_was_cancelled_disturbs_no_other() {
    let server = start();
    for head in ["GET", "POST"] {
        let token = token();
        let mut client = server.connect();
        let length = if head == "POST" { "Content-Length: 10\r\n" } else { "" };
        client.send(format!("{head} /poll-then-wait/{token} HTTP/1.1\r\nHost: test\r\n{length}\r\n"));
        server.wait_note(&token, "gave up");
        client.finish_sending();
        server.get("/hello").expect(200);
        server.get(&format!("/open/{token}")).expect(200);
        server.wait_note(&token, "then http.disconnect");
    }
}

#[test]
fn a_body_is_not_taken_from_the_socket_for_a_receive_that_was_given_up() {
    let server = start();
    let token = token();
    let held = largest_receive_buffer() + largest_send_buffer() + (1 << 20);
    let size = held + (64 << 20);
    let mut client = server.connect();
    client.send(format!(
        "POST /poll-then-wait/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"
    ));
    server.wait_note(&token, "gave up");
    let sent = client.pump(&[b'x'; 65536], size, Duration::from_secs(2));
    assert!(sent <= held, "took {sent} bytes that nobody had asked for");
}

#[test]
fn a_receive_that_is_cancelled_loses_no_data() {
    let server = start();
    let token = token();
    let mut client = server.connect();
    client.send(format!(
        "POST /cancel-at-the-last-moment/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\n"
    ));
    server.wait_note(&token, "waits");
    client.send("first-");
    std::thread::sleep(Duration::from_millis(200));
    client.send("piece");
    assert_eq!(client.response().expect(200).text(), "first-piece");
}

#[test]
fn a_last_piece_is_sent_once_it_is_read_and_the_connection_ends_then() {
    let server = start();
    for close in ["Connection: close\r\n", ""] {
        let token = token();
        let mut client = Client::tcp_with_receive_buffer(server.address(), 65536);
        client.send(format!("GET /one-large-piece/{token}/6000000 HTTP/1.1\r\nHost: test\r\n{close}\r\n"));
        server.wait_note(&token, "sends");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(client.response().expect(200).body.len(), 6_000_000);
        server.wait_note(&token, "sent");
        if !close.is_empty() {
            assert_eq!(client.rest(), b"");
        }
    }
}

#[test]
fn a_client_that_aborts_in_the_last_piece_frees_the_application() {
    let server = start();
    let token = token();
    let mut client = Client::tcp_with_receive_buffer(server.address(), 4096);
    client.get(&format!("/one-large-piece/{token}/6000000"));
    server.wait_note(&token, "sends");
    std::thread::sleep(Duration::from_millis(200));
    client.abort();
    // It does not raise, so the application's code after its response still runs.
    server.wait_note(&token, "sent");
}

#[test]
fn a_receiver_that_outlives_its_call_gets_the_disconnect() {
    let server = start();
    let token = token();
    let mut client = server.connect();
    client.get(&format!("/leave-a-receiver/{token}")).response().expect(200);
    server.wait_note(&token, "http.disconnect");
}
