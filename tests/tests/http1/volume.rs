//! Endless volume: whatever a client sends or does not read, the server refuses it or stops at a limit,
//! memory stays flat, and other clients are served.

use pounce_tests::attack::growth_kib;
use pounce_tests::response::Responses;
use pounce_tests::wait::within;
use pounce_tests::{Client, Options, Server};
use std::time::Duration;

const MIB: usize = 1 << 20;
/// The allowed growth of resident memory in each of these tests, in KiB.
const GROWTH_KIB: u64 = 12 * 1024;

fn start() -> Server {
    let server = Server::start(Options::app("raw:app"));
    // One-time allocations are not growth.
    for _ in 0..200 {
        server.get("/hello").expect(200);
    }
    server
}

/// Sends `start`, then `block` without end; shows that the server refuses it after little of it.
fn refused_without_growth(start_of_request: &str, block: &str, statuses: &[u16]) {
    let server = start();
    let process = server.worker();
    let growth = growth_kib(&server, || {
        let mut client = server.connect();
        client.send(start_of_request);
        let sent = client.pump(block.as_bytes(), 400 * MIB, Duration::from_secs(5));
        assert!(sent < 400 * MIB, "the server took everything");
        let answer = client.rest();
        if !answer.is_empty() {
            let response = Responses::over(answer.as_slice()).response();
            assert!(statuses.contains(&response.status), "{statuses:?} wanted: {response:?}");
        }
        server.get("/hello").expect(200);
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
    assert_eq!(server.worker(), process, "another process");
}

#[test]
fn an_endless_request_line_is_refused() {
    refused_without_growth("GET /", &"a".repeat(65536), &[414]);
}

#[test]
fn an_endless_method_is_refused() {
    refused_without_growth("", &"A".repeat(65536), &[400]);
}

#[test]
fn an_endless_header_line_is_refused() {
    refused_without_growth("GET /hello HTTP/1.1\r\nHost: test\r\nX-A: ", &"a".repeat(65536), &[431]);
}

#[test]
fn an_endless_field_name_is_refused() {
    refused_without_growth("GET /hello HTTP/1.1\r\nHost: test\r\n", &"a".repeat(65536), &[400, 431]);
}

#[test]
fn headers_without_end_are_refused() {
    refused_without_growth("GET /hello HTTP/1.1\r\nHost: test\r\n", &"X-A: b\r\n".repeat(8192), &[431]);
}

#[test]
fn empty_lines_without_end_before_a_request_are_refused() {
    refused_without_growth("", &"\r\n".repeat(32768), &[400, 408, 431]);
}

#[test]
fn an_endless_chunk_size_line_is_refused() {
    let head = "POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused_without_growth(head, &"0".repeat(65536), &[400]);
}

#[test]
fn an_endless_chunk_extension_is_refused() {
    let head = "POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=";
    refused_without_growth(head, &"b".repeat(65536), &[400]);
}

#[test]
fn an_endless_trailer_section_is_refused() {
    let head = "POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    refused_without_growth(head, &"X-A: b\r\n".repeat(8192), &[400, 431]);
}

#[test]
fn pipelined_requests_whose_answers_are_never_read_are_held_back() {
    let server = start();
    let growth = growth_kib(&server, || {
        let mut client = Client::tcp_with_receive_buffer(server.address(), 65536);
        let request = "GET /big/2000 HTTP/1.1\r\nHost: test\r\n\r\n";
        client.pump(request.repeat(100).as_bytes(), 20_000 * request.len(), Duration::from_secs(3));
        for _ in 0..20 {
            server.get("/hello").expect(200);
        }
        drop(client);
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
}

#[test]
fn large_responses_that_are_never_read_are_held_back() {
    let server = start();
    let growth = growth_kib(&server, || {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let mut client = Client::tcp_with_receive_buffer(server.address(), 65536);
                client.get("/stream/800/65536").get("/stream/800/65536");
                client
            })
            .collect();
        // They get as far as they can while other clients are served.
        within::<()>(Duration::from_secs(1), || {
            server.get("/hello").expect(200);
            None
        });
        drop(clients);
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
}

#[test]
fn a_body_in_one_byte_chunks_does_not_keep_others_waiting() {
    let server = start();
    let head = "POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut slow = server.connect();
    slow.send(head);
    let growth = growth_kib(&server, || {
        let block = "1\r\nx\r\n".repeat(2000);
        for _ in 0..20 {
            slow.send(&block);
            server.get("/hello").expect(200);
        }
        slow.send("0\r\n\r\n");
        assert_eq!(slow.response().expect(200).text(), "40000");
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
}

#[test]
fn a_large_upload_passes_through_in_flat_memory() {
    let server = start();
    let growth = growth_kib(&server, || {
        let mut client = server.connect();
        client.send(format!("POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", 200 * MIB));
        let sent = client.pump(&vec![b'x'; 65536], 200 * MIB, Duration::from_secs(30));
        assert_eq!(sent, 200 * MIB);
        assert_eq!(client.response().expect(200).text(), (200 * MIB).to_string());
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
}

#[test]
fn a_large_download_passes_through_in_flat_memory() {
    let server = start();
    let growth = growth_kib(&server, || {
        let mut client = server.connect();
        client.get("/stream/1600/65536");
        assert_eq!(client.response().expect(200).body.len(), 1600 * 65536);
    });
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
}
