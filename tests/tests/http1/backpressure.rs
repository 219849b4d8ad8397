//! Backpressure in both directions: the server does not accept data that the other side does not read.

use pounce_tests::attack::growth_kib;
use pounce_tests::notes::{standstill, token};
use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::wait::within;
use pounce_tests::{Client, Options, Server};
use std::sync::OnceLock;
use std::time::Duration;

const MIB: usize = 1 << 20;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// The capacity of the sockets on both sides, and a little that the server may have read ahead.
fn held_by_sockets() -> usize {
    largest_receive_buffer() + largest_send_buffer() + 2 * MIB
}

#[test]
fn an_unread_upload_is_not_taken_from_the_socket() {
    let server = Server::start(Options::app("raw:app"));
    let token = token();
    let size = held_by_sockets() + 64 * MIB;
    let mut client = server.connect();
    client.send(format!(
        "POST /wait-then-count/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"
    ));
    server.wait_note(&token, "waiting");
    let block = vec![b'x'; 65536];
    let mut sent = 0;
    let growth = growth_kib(&server, || sent = client.pump(&block, size, Duration::from_secs(2)));
    assert!(sent <= held_by_sockets(), "took {sent} bytes that nobody had asked for");
    assert!(growth < 4 * 1024, "grew by {growth} KiB");

    server.get(&format!("/open/{token}")).expect(200);
    let rest = client.pump(&block, size - sent, Duration::from_secs(30));
    assert_eq!(sent + rest, size);
    assert_eq!(client.response().expect(200).text(), size.to_string());
}

#[test]
fn an_unread_chunked_upload_is_not_accepted_either() {
    let token = token();
    let mut client = server().connect();
    client.send(format!(
        "POST /wait-then-count/{token} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    server().wait_note(&token, "waiting");
    let block = [b"10000\r\n".as_slice(), &vec![b'x'; 65536], b"\r\n"].concat();
    let limit = held_by_sockets() + 64 * MIB;
    let sent = client.pump(&block, limit, Duration::from_secs(2));
    assert!(sent <= held_by_sockets(), "took {sent} bytes that nobody had asked for");
    server().get(&format!("/open/{token}")).expect(200);
    drop(client);
    server().wait_note(&token, "disconnect after ");
}

#[test]
fn a_reader_that_stops_makes_send_wait_and_gets_everything_later() {
    let token = token();
    let parts = (held_by_sockets() + 64 * MIB) / 65536;
    let server = Server::start(Options::app("raw:app"));
    let mut client = Client::tcp_with_receive_buffer(server.address(), 65536);
    let mut reached = 0;
    let growth = growth_kib(&server, || {
        client.get(&format!("/progress/{token}/{parts}/65536"));
        reached = standstill(|| server.notes(&token).len());
    });
    assert!(reached < parts, "send never waited");
    assert!(growth < 8 * 1024, "grew by {growth} KiB");
    assert_eq!(client.response().expect(200).body.len(), parts * 65536);
    server.wait_note(&token, "done");
}

#[test]
fn a_reader_that_stops_and_leaves_frees_the_application() {
    let token = token();
    let parts = (held_by_sockets() + 64 * MIB) / 65536;
    let mut client = Client::tcp_with_receive_buffer(server().address(), 65536);
    client.get(&format!("/progress/{token}/{parts}/65536"));
    standstill(|| server().notes(&token).len());
    client.abort();
    let note = server().wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

#[test]
fn one_large_part_is_not_copied_for_a_reader_that_stops() {
    let size = 32 * MIB;
    let server = Server::start(Options::app("raw:app"));
    let mut client = Client::tcp_with_receive_buffer(server.address(), 65536);
    let growth = growth_kib(&server, || {
        client.get(&format!("/big/{size}"));
        client.head().expect(200);
        // By then the rest is held back.
        within::<()>(Duration::from_millis(500), || None);
    });
    assert!(growth < 48 * 1024, "grew by {growth} KiB for a body of {} KiB", size >> 10);
    assert_eq!(client.take(size).len(), size);
}

#[test]
fn a_stream_is_echoed_while_it_is_sent() {
    let mut client = server().connect();
    client.send("POST /echo-stream HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut sender = client.other_half();
    let block = [b"10000\r\n".as_slice(), &vec![b'y'; 65536], b"\r\n"].concat();
    let thread = std::thread::spawn(move || {
        for _ in 0..512 {
            sender.send(&block);
        }
        sender.send("0\r\n\r\n");
    });
    let response = client.response().expect(200);
    assert_eq!(response.body.len(), 512 * 65536);
    assert!(response.body.iter().all(|byte| *byte == b'y'));
    thread.join().expect("everything was sent");
}
