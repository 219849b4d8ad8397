//! Clients that break the handshake: their connection ends, and the next client is served.

use pounce_tests::client::Client;
use pounce_tests::notes::token;
use pounce_tests::secured::NAME;
use pounce_tests::tls::{TlsStream, has_openssl};
use pounce_tests::{Options, Server, eventually};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A server that waits a second for a handshake.
fn hasty() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(Options::app("transport:app").tls().with("--ssl-handshake-timeout", "1"))
    })
}

/// A connection without any data yet.
fn clear(server: &Server) -> Client {
    Client::tcp(server.address())
}

fn hello() -> Vec<u8> {
    hasty().tls().trust().client_hello(NAME)
}

/// Shows that a client that sends `bytes`, and then nothing, is disconnected, and that the same worker serves the
/// next one. Returns the server's output: an alert, or nothing.
fn is_left(bytes: &[u8]) -> Vec<u8> {
    let worker = hasty().worker();
    let mut client = clear(hasty());
    // The server may close before it has read everything.
    let _ = client.try_send(bytes);
    let told = client.rest();
    assert_eq!(hasty().worker(), worker, "another process");
    told
}

/// Clients without TLS get an alert record or nothing.
fn is_alert_or_nothing(told: &[u8]) {
    assert!(told.is_empty() || told[0] == 21, "{:?}", String::from_utf8_lossy(told));
}

#[test]
fn a_silent_client_is_disconnected() {
    is_alert_or_nothing(&is_left(b""));
}

#[test]
fn a_client_that_stops_in_the_middle_of_its_hello_is_disconnected() {
    let hello = hello();
    for length in [1, 5, 6, hello.len() / 2, hello.len() - 1] {
        is_alert_or_nothing(&is_left(&hello[..length]));
    }
}

#[test]
fn a_client_that_stops_after_its_hello_is_disconnected() {
    let told = is_left(&hello());
    assert_eq!(told[0], 22, "the server's side of the handshake");
}

#[test]
fn a_client_that_sends_its_hello_byte_by_byte_for_ever_is_disconnected() {
    let mut client = clear(hasty());
    let hello = hello();
    let refused = hello.iter().take(200).any(|byte| {
        std::thread::sleep(Duration::from_millis(50));
        client.try_send([*byte]).is_err()
    });
    // The timeout is for the whole handshake, not for each read.
    assert!(refused, "ten seconds of bytes were taken");
    hasty().get("/hello").expect(200);
}

#[test]
fn garbage_is_no_hello() {
    for bytes in [
        &[0xff; 100][..],
        b"\0\0\0\0\0\0\0\0",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05hello",
        b"\x17\x03\x03\x00\x05hello",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x80\x2e\x01\x03\x01",
        &[b"\x16\x03\x01\x40\x00".as_slice(), &[0; 0x4000]].concat(),
    ] {
        is_alert_or_nothing(&is_left(bytes));
    }
}

#[test]
fn a_hello_with_any_byte_changed_does_no_harm() {
    let worker = hasty().worker();
    let hello = hello();
    let mut clients = Vec::new();
    for at in (0..hello.len()).step_by(3) {
        let mut changed = hello.clone();
        changed[at] ^= 0xff;
        let mut client = clear(hasty());
        let _ = client.try_send(changed);
        clients.push(client);
    }
    for mut client in clients {
        client.rest();
    }
    assert_eq!(hasty().worker(), worker, "another process");
}

#[test]
fn clear_text_to_a_port_for_tls_is_not_served() {
    for request in
        ["GET /pid HTTP/1.1\r\nHost: test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]
    {
        let told = is_left(request.as_bytes());
        assert!(!String::from_utf8_lossy(&told).contains("200"), "{:?}", String::from_utf8_lossy(&told));
    }
}

#[test]
fn tls_to_a_port_for_clear_text_is_not_served() {
    let server = Server::start(Options::app("transport:app"));
    let worker = server.worker();
    let mut client = clear(&server);
    client.send(hello());
    let told = String::from_utf8_lossy(&client.rest()).into_owned();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{told:?}");
    assert_eq!(server.worker(), worker);
}

#[test]
fn garbage_after_a_handshake_ends_the_connection() {
    let server = hasty();
    let worker = server.worker();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x17\x03\x03\x00\x20 thirty-two bytes that were not ours",
        &[0; 64],
    ] {
        let mut client = server.connect();
        client.get("/hello").response().expect(200);
        let stream = client.tls_stream().expect("it is TLS").clone();
        std::io::Write::write_all(&mut stream.socket(), bytes).expect("the connection is open");
        let answer = std::io::Read::read(&mut stream.clone(), &mut [0; 1000]);
        assert!(!matches!(answer, Ok(1..)), "an answer to garbage");
    }
    assert_eq!(server.worker(), worker);
}

#[test]
fn half_open_handshakes_do_not_hold_up_others() {
    let server = Server::start(Options::app("transport:app").tls());
    let worker = server.worker();
    let before = server.fd_count();
    let hello = server.tls().trust().client_hello(NAME);
    let mut held: Vec<Client> = (0..200).map(|_| clear(&server)).collect();
    for (number, client) in held.iter_mut().enumerate() {
        client.send(&hello[..hello.len() * (number % 3) / 2]);
    }
    for _ in 0..20 {
        assert_eq!(server.worker(), worker);
    }
    drop(held);
    server.wait_fd_count(before + 2);
    server.get("/hello").expect(200);
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let mut server =
        Server::start(Options::app("transport:app").tls().with("--timeout-graceful-shutdown", "30"));
    let hello = server.tls().trust().client_hello(NAME);
    let mut held: Vec<Client> = (0..3).map(|_| clear(&server)).collect();
    for (number, client) in held.iter_mut().enumerate() {
        client.send(&hello[..hello.len() * number / 2]);
    }
    server.get("/hello").expect(200);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn connections_over_the_limit_are_closed_and_the_others_go_on() {
    let server = Server::start(Options::app("transport:app").tls().with("--limit-connections", "2"));
    let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
    assert!(server.try_connect().is_err(), "there is no room for a handshake");
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
    drop(held);
    eventually("there is room again", || server.try_connect().ok());
}

#[test]
fn the_end_of_a_connection_has_a_close_notify() {
    let options = Options::app("transport:app").tls().with("--timeout-keep-alive", "1");
    let mut server = Server::start(options);
    for (request, status) in [
        ("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", 200),
        ("GET /hello HTTP/1.0\r\n\r\n", 200),
        ("GET /bare-status/200 HTTP/1.0\r\n\r\n", 200),
        // This connection is idle for a second.
        ("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("nonsense\r\n\r\n", 400),
    ] {
        let mut client = server.connect();
        client.send(request).head().expect(status);
        said_goodbye(&client, request);
    }
    let mut idle = server.connect();
    idle.get("/hello").response().expect(200);
    let mut streamed = server.connect();
    streamed.get("/slow-stream/5/0.2").head().expect(200);
    server.sigterm();
    said_goodbye(&idle, "a stop, while it is idle");
    said_goodbye(&streamed, "a stop, in the middle of a response");
    assert_eq!(server.wait_exit().code, Some(0));
}

/// Reads to the end, which without close_notify is an error.
fn said_goodbye(client: &Client, what: &str) {
    let mut stream = client.tls_stream().expect("it is TLS").clone();
    let mut rest = Vec::new();
    if let Err(error) = std::io::Read::read_to_end(&mut stream, &mut rest) {
        panic!("{what}: {error}");
    }
}

#[test]
fn the_end_of_a_connection_for_http2_has_a_close_notify() {
    let mut server = Server::start(Options::app("transport:app").tls());
    let config = server.tls().trust().alpn(&["h2"]).config();
    let stream = TlsStream::connect(server.address(), &config, NAME).expect("a handshake");
    let mut client = Client::tls(stream);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    client.take(9);
    server.sigterm();
    said_goodbye(&client, "a stop");
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_client_that_sends_close_notify_and_leaves_is_gone() {
    let token = token();
    let mut client = hasty().connect();
    client.get(&format!("/never/{token}"));
    hasty().wait_note(&token, "began");
    client.finish_sending();
    drop(client);
    let note = hasty().wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

#[test]
fn a_client_that_sends_close_notify_after_its_request_is_answered_as_in_clear_text() {
    let clear = Server::start(Options::app("transport:app"));
    for server in [&clear, hasty()] {
        for (path, text) in [("/hello", "hello"), ("/sleep/0.3", "slept 0.3")] {
            let mut client = server.connect();
            client.get("/hello").response().expect(200);
            client.get(path).finish_sending();
            assert_eq!(client.response().expect(200).text(), text);
        }
    }
}

#[test]
fn a_client_that_says_everything_with_the_end_of_its_handshake_is_answered() {
    let request = b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n";
    let trust = hasty().tls().trust();
    for trust in [trust.clone().only_tls12(), trust.only_tls13()] {
        let stream = TlsStream::all_at_once(hasty().address(), &trust.config(), NAME, request);
        let mut client = Client::tls(stream.expect("a handshake"));
        assert!(client.has_more(), "closed without an answer: {trust:?}");
        assert_eq!(client.response().expect(200).text(), "hello");
    }
}

#[test]
fn a_renegotiation_is_not_taken_up() {
    if !has_openssl() {
        return;
    }
    let worker = hasty().worker();
    // In `openssl s_client` the line R asks for a renegotiation.
    let ask = "(sleep 0.3; echo R; sleep 1) | openssl s_client -tls1_2 -servername localhost -connect \"$1\" 2>&1; true";
    let mut command = Command::new("sh");
    let said = pounce_tests::python::run(command.args(["-c", ask, "sh", &hasty().address().to_string()]));
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert!(
        !said.contains("Verify return code: 0") || said.contains("error") || said.contains("closed"),
        "{said}"
    );
    assert_eq!(hasty().worker(), worker);
}
