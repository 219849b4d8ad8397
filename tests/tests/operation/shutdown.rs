//! Stopping: running requests are finished and answered, no new ones are accepted, and nothing hangs.

use nix::sys::signal::Signal;
use pounce_tests::notes::token;
use pounce_tests::{Ask, Client, Options, Server, Transport, eventually};
use std::time::Duration;

fn refuses_connections(server: &Server) {
    let address = server.address();
    eventually("new connections are refused", || Client::try_tcp(address).err().map(|_| ()));
}

#[test]
fn an_idle_server_stops_when_asked() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(Options::app("raw:app"));
        server.get("/hello").expect(200);
        server.signal(signal);
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{signal}: {}", exit.stderr);
        assert!(!exit.stderr.contains("waiting up to"), "{signal}: {}", exit.stderr);
    }
}

#[test]
fn a_stop_names_once_the_requests_it_waits_for() {
    for transport in [Transport::ClearHttp1, Transport::ClearHttp2] {
        let mut server = Server::start(Options::app("raw:app").with("--timeout-graceful-shutdown", "600"));
        let token = token();
        let exchange = transport.ask(&server, &Ask::get(&format!("/sleep/3/{token}?secret=1")));
        server.wait_note(&token, "began");
        server.sigterm();
        server.wait_stderr(&format!(
            "Stopping: waiting up to 10 min for 1 request (GET /sleep/3/{token}, open for "
        ));
        assert_eq!(exchange.answer().status(), Some(200));
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert_eq!(exit.stderr.matches("waiting up to").count(), 1, "{}", exit.stderr);
    }
}

#[test]
fn a_request_in_flight_is_finished_and_answered_while_new_ones_are_refused() {
    let mut server = Server::start(Options::app("raw:app"));
    let token = token();
    let mut client = server.connect();
    client.get(&format!("/sleep/1.5/{token}"));
    server.wait_note(&token, "began");
    server.sigterm();
    refuses_connections(&server);
    let response = client.response().expect(200);
    assert_eq!(response.text(), "slept 1.5");
    assert!(response.says_close(), "{response:?}");
    client.expect_closed();
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_stream_in_flight_is_finished() {
    let mut server = Server::start(Options::app("raw:app"));
    let mut client = server.connect();
    client.send("POST /echo-stream HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    client.head().expect(200);
    assert_eq!(client.take(8), b"3\r\none\r\n");
    server.sigterm();
    refuses_connections(&server);
    client.send("3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(client.rest(), b"3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn an_upload_in_flight_is_finished() {
    let mut server = Server::start(Options::app("raw:app"));
    let token = token();
    let mut client = server.connect();
    let target = format!("/receive-then-answer/{token}");
    client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfirst"));
    server.wait_note(&token, "called");
    server.sigterm();
    refuses_connections(&server);
    client.send("-last");
    assert_eq!(client.response().expect(200).text(), "first-last");
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn idle_connections_are_closed() {
    let mut server = Server::start(Options::app("raw:app"));
    let mut kept: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for client in &mut kept {
        client.get("/hello").response().expect(200);
    }
    server.sigterm();
    for client in &mut kept {
        client.expect_closed();
    }
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn silent_connections_are_closed() {
    let options = Options::app("raw:app").with("--timeout-header", "600");
    let mut server = Server::start(options.with("--timeout-graceful-shutdown", "600"));
    let mut silent: Vec<_> = (0..5).map(|_| server.connect()).collect();
    server.get("/hello").expect(200);
    server.sigterm();
    for client in &mut silent {
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn pipelined_requests_that_were_read_are_answered_or_left_to_be_asked_again() {
    let mut server = Server::start(Options::app("raw:app"));
    let token = token();
    let mut client = server.connect();
    client.get(&format!("/sleep/1/{token}")).get("/hello");
    server.wait_note(&token, "began");
    server.sigterm();
    let first = client.response().expect(200);
    if first.says_close() {
        client.expect_closed();
    } else {
        assert!(client.response().expect(200).says_close());
    }
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let options = Options::app("raw:app").with("--timeout-graceful-shutdown", "3600");
        let mut server = Server::start(options);
        let token = token();
        let mut client = server.connect();
        client.get(&format!("/sleep/3600/{token}"));
        server.wait_note(&token, "began");
        server.sigterm();
        refuses_connections(&server);
        assert!(server.is_running());
        server.signal(second);
        // The exit code is unspecified; the test is that it exits, with an hour of drain left.
        server.wait_exit();
        client.expect_closed();
    }
}

#[test]
fn when_the_time_to_drain_is_over_applications_are_cancelled() {
    let mut server = Server::start(Options::app("cancelled:app").with("--timeout-graceful-shutdown", "1"));
    let mut client = server.connect();
    client.get("/hang");
    eventually("the request runs", || std::fs::read(server.directory().join("began")).ok());
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(server.directory().join("cancelled").exists(), "never cancelled: {}", exit.stderr);
    let rest = client.rest();
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&rest));
}

#[test]
fn an_application_that_swallows_its_cancellation_does_not_keep_the_server() {
    let mut server = Server::start(Options::app("cancelled:app").with("--timeout-graceful-shutdown", "1"));
    let mut client = server.connect();
    client.get("/stubborn");
    eventually("the request runs", || std::fs::read(server.directory().join("began")).ok());
    server.sigterm();
    server.wait_exit();
    assert!(!client.rest().starts_with(b"HTTP/1.1 2"));
}

#[test]
fn without_time_to_drain_it_stops_at_once() {
    let mut server = Server::start(Options::app("raw:app").with("--timeout-graceful-shutdown", "0"));
    let token = token();
    let mut client = server.connect();
    client.get(&format!("/sleep/3600/{token}"));
    server.wait_note(&token, "began");
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    assert!(!client.rest().starts_with(b"HTTP/1.1 2"));
}

#[test]
fn a_blocked_loop_does_not_keep_a_second_signal_from_working() {
    let mut server = Server::start(Options::app("asyncio_features:app"));
    let mut client = server.connect();
    client.get("/block/3600");
    std::thread::sleep(Duration::from_millis(300));
    server.sigterm();
    std::thread::sleep(Duration::from_millis(300));
    server.sigterm();
    server.wait_exit();
}

#[test]
fn slow_clients_do_not_keep_the_server_beyond_the_time_to_drain() {
    let mut server = Server::start(Options::app("raw:app").with("--timeout-graceful-shutdown", "1"));
    let mut half_a_head = server.connect();
    half_a_head.send("GET /hello HTTP/1.1\r\nHost: te");
    let mut half_a_body = server.connect();
    half_a_body.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
    let mut reads_nothing = Client::tcp_with_receive_buffer(server.address(), 16384);
    reads_nothing.get("/stream/10000/65536");
    server.get("/hello").expect(200);
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}
