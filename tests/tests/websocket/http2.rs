//! WebSockets specific to HTTP/2 (RFC 8441): many on a connection, and extended CONNECT.

use pounce_tests::notes::token;
use pounce_tests::websocket::http2::Shared;
use pounce_tests::{Handshake, Options, Transport, over_transport};

over_transport! {
    clear_http2 ClearHttp2:
    a_server_says_that_it_takes_websockets_unless_it_takes_none,
    many_websockets_and_requests_share_a_connection,
    a_websocket_that_is_not_read_holds_up_no_other,
    a_websocket_that_is_left_gives_its_window_back,
    a_lost_connection_is_1006_for_each,
    another_version_is_refused_with_the_supported_one,
    another_protocol_is_refused,
    a_refused_websocket_leaves_the_connection_open
}

over_transport! {
    tls_http2 TlsHttp2:
    many_websockets_and_requests_share_a_connection,
    a_lost_connection_is_1006_for_each
}

fn shared(transport: Transport) -> Shared {
    Shared::connect(transport.shared(), transport.is_tls(), None)
}

fn a_server_says_that_it_takes_websockets_unless_it_takes_none(transport: Transport) {
    let connection = shared(transport);
    connection.get("/hello").expect(200);
    assert!(connection.takes_websockets());
    let without = transport.start(Options::app("websocket:app").flag("--no-ws"));
    let connection = Shared::connect(&without, false, None);
    connection.get("/hello").expect(200);
    assert!(!connection.takes_websockets());
}

fn many_websockets_and_requests_share_a_connection(transport: Transport) {
    let connection = shared(transport);
    let open = |number| {
        let socket = connection.upgrade(&Handshake::to("/echo"));
        (number, socket.unwrap_or_else(|response| panic!("refused: {response:?}")))
    };
    let mut sockets: Vec<_> = (0..20).map(open).collect();
    for round in 0..3 {
        for (number, socket) in &mut sockets {
            socket.send_text(format!("{number} {round}"));
        }
        assert_eq!(connection.get("/hello").expect(200).text(), "hello http");
        for (number, socket) in &mut sockets {
            socket.expect_text(&format!("{number} {round}"));
        }
    }
    let (_, first) = sockets.remove(0);
    first.close(1000, "");
    let (_, second) = sockets.remove(0);
    second.abort();
    for (_, socket) in &mut sockets {
        socket.send_text("still").expect_text("still");
    }
}

fn a_websocket_that_is_not_read_holds_up_no_other(transport: Transport) {
    let connection = shared(transport);
    // Less than the window of the connection, which the client must refill.
    let target = format!("/progress/{}/4/10000", token());
    let mut unread = connection.upgrade(&Handshake::to(&target)).expect("it is accepted");
    let mut other = connection.upgrade(&Handshake::to("/echo")).expect("it is accepted");
    for _ in 0..100 {
        other.send_text("moves ".repeat(200)).expect_text(&"moves ".repeat(200));
    }
    for _ in 0..4 {
        assert_eq!(unread.binary().len(), 10_000);
    }
}

fn a_websocket_that_is_left_gives_its_window_back(transport: Transport) {
    let connection = shared(transport);
    let token = token();
    let target = format!("/progress/{token}/100/100000");
    let unread = connection.upgrade(&Handshake::to(&target)).expect("it is accepted");
    unread.abort();
    let note = transport.wait_note(transport.shared(), &token, "error ");
    assert!(note.contains("OSError"), "{note}");
    let mut other = connection.upgrade(&Handshake::to("/echo")).expect("it is accepted");
    for _ in 0..100 {
        other.send_text("moves ".repeat(200)).expect_text(&"moves ".repeat(200));
    }
}

fn a_lost_connection_is_1006_for_each(transport: Transport) {
    let connection = shared(transport);
    let tokens = [token(), token()];
    let sockets = tokens.each_ref().map(|token| {
        let mut socket =
            connection.upgrade(&Handshake::to(&format!("/echo/{token}"))).expect("it is accepted");
        socket.send_text("a").expect_text("a");
        socket
    });
    connection.abort();
    for token in tokens {
        assert_eq!(transport.wait_note(transport.shared(), &token, "disconnect"), "disconnect 1006 ''");
    }
    drop(sockets);
}

fn another_version_is_refused_with_the_supported_one(transport: Transport) {
    for version in ["8", "14", "x"] {
        let response = shared(transport).upgrade_to("websocket", version, &Handshake::to("/echo"));
        let response = response.expect_err("it is refused").expect(426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
}

fn another_protocol_is_refused(transport: Transport) {
    let connection = shared(transport);
    for protocol in ["connect-udp", "WebSocket-ish"] {
        let response = connection.upgrade_to(protocol, "13", &Handshake::to("/echo"));
        // RFC 9220 section 3 and RFC 8441 leave the status to the server.
        response.expect_err("it is refused").expect(501);
    }
    connection.get("/hello").expect(200);
}

fn a_refused_websocket_leaves_the_connection_open(transport: Transport) {
    let connection = shared(transport);
    let token = token();
    for (target, status) in
        [(format!("/refuse/{token}"), 403), ("/raise-before".into(), 500), (format!("/deny/{token}"), 401)]
    {
        connection.upgrade(&Handshake::to(&target)).expect_err("it is refused").expect(status);
    }
    let mut socket = connection.upgrade(&Handshake::to("/echo")).expect("it is accepted");
    socket.send_text("a").expect_text("a");
}
