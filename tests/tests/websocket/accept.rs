//! Accepting and refusing WebSockets, over every transport.

use pounce_tests::notes::token;
use pounce_tests::{Handshake, Options, Transport, eventually, over_every_transport};

over_every_transport! {
    a_subprotocol_that_was_offered_is_chosen,
    no_subprotocol_is_chosen_for_the_application,
    a_subprotocol_that_was_not_offered_raises,
    headers_of_the_application_are_sent,
    headers_that_are_the_servers_raise,
    a_message_that_would_split_the_response_raises_and_sends_nothing,
    white_space_around_a_value_is_not_sent,
    date_and_server_of_the_application_take_the_place_of_the_server_s,
    a_close_before_accept_is_403,
    more_applications_than_allowed_are_503,
    a_denial_has_the_applications_status_headers_and_streamed_body,
    a_denial_cut_short_is_recognisable,
    frames_sent_before_the_answer_wait_for_it,
    a_client_that_leaves_before_the_answer_is_a_disconnect,
}

fn said(transport: Transport, handshake: &Handshake) -> String {
    let mut socket = transport.open(transport.shared(), handshake);
    let text = socket.text();
    socket.closed_by_server(1000);
    text
}

fn a_subprotocol_that_was_offered_is_chosen(transport: Transport) {
    for offered in ["chat.v1, chat.v2", "chat.v2", "other,chat.v2 , chat.v1"] {
        let handshake = Handshake::to("/choose?subprotocol=chat.v2").protocols(offered);
        let mut socket = transport.open(transport.shared(), &handshake);
        assert_eq!(socket.response.header("sec-websocket-protocol"), Some("chat.v2"));
        assert_eq!(socket.text(), "no exception");
    }
    let twice = Handshake::to("/choose?subprotocol=b").protocols("a").protocols("b");
    let socket = transport.open(transport.shared(), &twice);
    assert_eq!(socket.response.header("sec-websocket-protocol"), Some("b"));
}

fn no_subprotocol_is_chosen_for_the_application(transport: Transport) {
    let socket = transport.open(transport.shared(), &Handshake::to("/choose").protocols("a, b"));
    assert_eq!(socket.response.header("sec-websocket-protocol"), None);
}

fn a_subprotocol_that_was_not_offered_raises(transport: Transport) {
    let target = "/choose?subprotocol=unknown";
    for handshake in [Handshake::to(target), Handshake::to(target).protocols("a, Unknown")] {
        let text = said(transport, &handshake);
        assert!(text.starts_with("ValueError|") && text.contains("unknown"), "{text}");
    }
}

fn headers_of_the_application_are_sent(transport: Transport) {
    let handshake = Handshake::to("/choose?name=x-custom&value=a%20value%20%C3%A9");
    let mut socket = transport.open(transport.shared(), &handshake);
    assert_eq!(socket.response.header("x-custom"), Some("a value \u{e9}"));
    assert_eq!(socket.text(), "no exception");
}

fn headers_that_are_the_servers_raise(transport: Transport) {
    for name in [
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-version",
        "Sec-WebSocket-Accept",
        "upgrade",
        "connection",
        "Connection",
        "content-length",
        "transfer-encoding",
    ] {
        let text = said(transport, &Handshake::to(&format!("/choose?name={name}&value=5")));
        assert!(text.contains(",Exception,"), "{name}: {text}");
    }
}

fn a_message_that_would_split_the_response_raises_and_sends_nothing(transport: Transport) {
    for which in [
        "send",
        "body",
        "header-value-lf",
        "header-value-crlf",
        "header-value-end",
        "header-value-nul",
        "header-name-crlf",
        "header-name-space",
        "header-name-empty",
        "header-str",
        "subprotocol-crlf",
        "subprotocol-bytes",
        "subprotocol-wide",
        "deny-value-crlf",
        "deny-status",
        "close-code",
    ] {
        let mut socket = transport.connect(transport.shared(), &format!("/bad-before/{which}"));
        let response = &socket.response;
        assert!(response.header("set-cookie").is_none() && response.header("x-a").is_none(), "{response:?}");
        let text = socket.text();
        assert!(text.contains(",Exception,"), "{which}: {text}");
        socket.closed_by_server(1000);
    }
}

fn white_space_around_a_value_is_not_sent(transport: Transport) {
    let handshake = Handshake::to("/choose?name=x-custom&value=%20%09a%20b%09%20");
    let mut socket = transport.open(transport.shared(), &handshake);
    assert_eq!(socket.response.header("x-custom"), Some("a b"));
    assert_eq!(socket.text(), "no exception");
}

fn date_and_server_of_the_application_take_the_place_of_the_server_s(transport: Transport) {
    for name in ["server", "Server", "date"] {
        let handshake = Handshake::to(&format!("/choose?name={name}&value=mine"));
        let mut socket = transport.open(transport.shared(), &handshake);
        assert_eq!(socket.response.header(&name.to_ascii_lowercase()), Some("mine"));
        assert!(socket.response.header("date").is_some() && socket.response.header("server").is_some());
        assert_eq!(socket.text(), "no exception");
    }
}

fn more_applications_than_allowed_are_503(transport: Transport) {
    let server = transport.start(Options::app("websocket:app").with("--limit-concurrency", "1"));
    let mut first = transport.connect(&server, "/echo");
    let refused = transport.upgrade(&server, &Handshake::to("/echo")).expect_err("one runs").expect(503);
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    first.send_text("still there").expect_text("still there");
    first.close(1000, "");
    eventually("there is room again", || transport.upgrade(&server, &Handshake::to("/echo")).ok());
}

fn a_close_before_accept_is_403(transport: Transport) {
    for code in ["", "/1000", "/3000"] {
        let token = token();
        let handshake = Handshake::to(&format!("/refuse/{token}{code}"));
        let response = transport.upgrade(transport.shared(), &handshake).expect_err("it is refused");
        response.expect(403);
        transport.wait_note(transport.shared(), &token, "disconnect 1006");
    }
}

fn a_denial_has_the_applications_status_headers_and_streamed_body(transport: Transport) {
    let token = token();
    let handshake = Handshake::to(&format!("/deny/{token}"));
    let response = transport.upgrade(transport.shared(), &handshake).expect_err("it is refused").expect(401);
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(response.header("x-why"), Some("because"));
    assert_eq!(response.text(), "no entry here.");
    transport.wait_note(transport.shared(), &token, "disconnect ");
}

fn a_denial_cut_short_is_recognisable(transport: Transport) {
    let whole = std::panic::catch_unwind(|| {
        transport.upgrade(transport.shared(), &Handshake::to("/half-deny")).expect_err("it is refused")
    });
    assert!(whole.is_err(), "half a response must not look like a whole one: {whole:?}");
}

fn frames_sent_before_the_answer_wait_for_it(transport: Transport) {
    let token = token();
    let server = transport.shared();
    let target = format!("/slow-accept/{token}");
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let mut socket = transport.connect(server, &target);
            socket.send_text("after all");
            socket.expect_text("after all");
        });
        transport.wait_note(server, &token, "asked");
        assert_eq!(transport.hear(server, &format!("/open/{token}")), "opened");
        opening.join().expect("it was accepted");
    });
}

fn a_client_that_leaves_before_the_answer_is_a_disconnect(transport: Transport) {
    let token = token();
    let server = transport.shared();
    transport.ask_and_leave(server, &Handshake::to(&format!("/slow-accept/{token}")), || {
        transport.wait_note(server, &token, "asked");
    });
    transport.hear(server, &format!("/open/{token}"));
    transport.wait_note(server, &token, "disconnect 1006");
}
