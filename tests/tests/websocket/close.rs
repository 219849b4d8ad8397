//! The end of a WebSocket by the client, by the application, or by a loss, as each side sees it.

use pounce_tests::notes::token;
use pounce_tests::{Frame, Transport, over_every_transport};
use std::time::{Duration, Instant};

over_every_transport! {
    a_client_closes_with_code_and_reason,
    a_client_closes_without_a_code,
    an_application_closes_with_code_and_reason,
    an_application_closes_without_a_code,
    codes_and_reasons_that_must_not_be_sent_raise,
    a_reason_may_hold_line_breaks,
    messages_after_an_applications_close_are_not_delivered,
    a_client_that_never_answers_a_close_is_not_waited_for_by_others,
    the_end_of_a_client_that_answers_a_close_is_not_waited_for_but_noticed,
    there_is_one_disconnect_and_receive_raises_after_it,
    send_after_the_client_has_gone_raises_oserror,
    send_after_the_applications_close_raises,
    a_close_before_unreceived_messages_is_completed,
    a_stream_that_ends_without_a_close_is_1006,
    a_reset_is_1006,
    messages_before_a_loss_are_delivered_first,
    messages_before_a_close_are_delivered_first,
    data_after_a_clients_close_is_ignored,
}

fn a_client_closes_with_code_and_reason(transport: Transport) {
    for (code, reason) in [(1000, "bye"), (1001, ""), (3000, "\u{20ac}uro"), (4999, &*"r".repeat(123))] {
        let token = token();
        transport.connect(transport.shared(), &format!("/echo/{token}")).close(code, reason);
        let note = transport.wait_note(transport.shared(), &token, "disconnect");
        assert_eq!(note, format!("disconnect {code} '{reason}'"));
    }
}

fn a_client_closes_without_a_code(transport: Transport) {
    let token = token();
    let mut socket = transport.connect(transport.shared(), &format!("/echo/{token}"));
    socket.send(Frame::new(8, ""));
    let answer = socket.frame();
    assert!(answer.is_whole(8), "{answer:?}");
    // RFC 6455 section 5.5.1: typically the code is echoed; without one, 1000 is allowed.
    assert!(answer.payload.is_empty() || answer.payload == [3, 232], "{answer:?}");
    socket.expect_end();
    assert_eq!(transport.wait_note(transport.shared(), &token, "disconnect"), "disconnect 1005 ''");
}

fn an_application_closes_with_code_and_reason(transport: Transport) {
    let token = token();
    let target = format!("/close/{token}/3456?reason=enough%20%E2%82%AC");
    let socket = transport.connect(transport.shared(), &target);
    assert_eq!(socket.closed_by_server(3456), "enough \u{20ac}");
    assert!(transport.wait_note(transport.shared(), &token, "disconnect").starts_with("disconnect 3456"));
}

fn an_application_closes_without_a_code(transport: Transport) {
    let token = token();
    let socket = transport.connect(transport.shared(), &format!("/close/{token}"));
    assert_eq!(socket.closed_by_server(1000), "");
    transport.wait_note(transport.shared(), &token, "disconnect 1000");
}

fn codes_and_reasons_that_must_not_be_sent_raise(transport: Transport) {
    for which in [
        "code-999",
        "code-1004",
        "code-1005",
        "code-1006",
        "code-1015",
        "code-2999",
        "code-5000",
        "code-65536",
        "code-negative",
        "reason-long",
        "reason-wide",
    ] {
        let mut socket = transport.connect(transport.shared(), &format!("/bad/{which}"));
        let text = socket.text();
        assert!(text.starts_with("ValueError|"), "{which}: {text}");
        socket.send_text("still there").expect_text("still there");
    }
    for which in ["code-str", "reason-int"] {
        let text = transport.connect(transport.shared(), &format!("/bad/{which}")).text();
        assert!(text.contains(",Exception,"), "{which}: {text}");
    }
}

// RFC 6455 section 5.5.1: a reason is any UTF-8, and the frame has a known length.
fn a_reason_may_hold_line_breaks(transport: Transport) {
    let token = token();
    let target = format!("/close/{token}/3456?reason=a%0D%0Ab%0A%09c%00");
    let socket = transport.connect(transport.shared(), &target);
    assert_eq!(socket.closed_by_server(3456), "a\r\nb\n\tc\0");
    transport.wait_note(transport.shared(), &token, "disconnect 3456");
}

fn messages_after_an_applications_close_are_not_delivered(transport: Transport) {
    let token = token();
    let mut socket = transport.connect(transport.shared(), &format!("/close/{token}"));
    socket.expect_close(1000);
    // RFC 6455 section 1.4: allowed until the client has seen the close.
    socket.send_text("late").send(Frame::ping("late")).send_close(1000, "");
    socket.expect_end();
    let notes = transport.notes(transport.shared(), &token);
    assert!(notes.iter().all(|note| !note.contains("late")), "{notes:?}");
}

fn a_client_that_never_answers_a_close_is_not_waited_for_by_others(transport: Transport) {
    let token = token();
    let mut socket = transport.connect(transport.shared(), &format!("/close/{token}"));
    socket.expect_close(1000);
    assert_eq!(transport.hear(transport.shared(), "/hello"), "hello websocket");
    transport.wait_note(transport.shared(), &token, "disconnect 1000");
    // In the end the server disconnects it, over HTTP/2 by a reset.
    assert_eq!(socket.rest(), b"");
}

fn the_end_of_a_client_that_answers_a_close_is_not_waited_for_but_noticed(transport: Transport) {
    let server = transport.shared();
    let began = Instant::now();
    // Sequentially: a server that waited for each until its timeout would exceed the bound by far.
    for _ in 0..10 {
        let token = token();
        let mut socket = transport.connect(server, &format!("/close/{token}"));
        socket.expect_close(1000);
        socket.send_close(1000, "").finish_sending();
        server.wait_stdout_line(&token);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "their ends were not noticed");
}

fn there_is_one_disconnect_and_receive_raises_after_it(transport: Transport) {
    let token = token();
    let server = transport.shared();
    transport.connect(server, &format!("/after-disconnect/{token}")).close(1000, "");
    transport.wait_note(server, &token, "send ");
    let notes = transport.notes(server, &token);
    let disconnects = notes.iter().filter(|note| note.contains("disconnect 1000")).count();
    assert_eq!(disconnects, 1, "{notes:?}");
    for number in 0..2 {
        let wanted = format!("receive {number} RuntimeError");
        assert!(notes.iter().any(|note| note.starts_with(&wanted)), "{notes:?}");
    }
}

fn send_after_the_client_has_gone_raises_oserror(transport: Transport) {
    for loss in [false, true] {
        let token = token();
        let server = transport.shared();
        let socket = transport.connect(server, &format!("/after-disconnect/{token}"));
        if loss {
            socket.abort();
        } else {
            socket.close(1000, "");
        }
        let note = transport.wait_note(server, &token, "send ");
        assert!(note.contains("OSError"), "{note}");
    }
}

fn send_after_the_applications_close_raises(transport: Transport) {
    let token = token();
    let server = transport.shared();
    transport.connect(server, &format!("/after-close/{token}")).closed_by_server(1000);
    let note = transport.wait_note(server, &token, "");
    assert!(note.contains(",Exception,"), "{note}");
}

fn a_stream_that_ends_without_a_close_is_1006(transport: Transport) {
    let token = token();
    let mut socket = transport.connect(transport.shared(), &format!("/echo/{token}"));
    socket.send_text("a").expect_text("a");
    socket.finish_sending();
    assert_eq!(transport.wait_note(transport.shared(), &token, "disconnect"), "disconnect 1006 ''");
    socket.rest();
}

fn a_reset_is_1006(transport: Transport) {
    let token = token();
    let mut socket = transport.connect(transport.shared(), &format!("/echo/{token}"));
    socket.send_text("a").expect_text("a");
    socket.abort();
    assert_eq!(transport.wait_note(transport.shared(), &token, "disconnect"), "disconnect 1006 ''");
}

fn messages_before_a_loss_are_delivered_first(transport: Transport) {
    let token = token();
    let server = transport.shared();
    let mut socket = transport.connect(server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(server, &token, "accepted");
    for _ in 0..10 {
        socket.send_text("before");
    }
    socket.finish_sending();
    // By now the server has read the end as well, if it ever does.
    std::thread::sleep(std::time::Duration::from_millis(200));
    transport.hear(server, &format!("/open/{token}"));
    assert_eq!(transport.wait_note(server, &token, "disconnect"), "disconnect 1006 ''");
    transport.wait_note(server, &token, "received 10 60");
}

fn messages_before_a_close_are_delivered_first(transport: Transport) {
    let token = token();
    let server = transport.shared();
    let mut socket = transport.connect(server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(server, &token, "accepted");
    let frames = [Frame::text("one"), Frame::text("two"), Frame::close(1001, "leaving")];
    socket.send_bytes(frames.iter().flat_map(Frame::masked).collect::<Vec<u8>>());
    transport.hear(server, &format!("/open/{token}"));
    assert_eq!(transport.wait_note(server, &token, "disconnect"), "disconnect 1001 'leaving'");
    transport.wait_note(server, &token, "received 2 6");
}

fn data_after_a_clients_close_is_ignored(transport: Transport) {
    let token = token();
    let server = transport.shared();
    let mut socket = transport.connect(server, &format!("/watch/{token}"));
    let frames = [Frame::close(1000, ""), Frame::text("late"), Frame::close(1001, ""), Frame::ping("late")];
    socket.send_bytes(frames.iter().flat_map(Frame::masked).collect::<Vec<u8>>());
    socket.expect(Frame::close(1000, "")).expect_end();
    transport.wait_note(server, &token, "disconnect 1000");
    assert_eq!(transport.notes(server, &token).len(), 2);
}

fn a_close_before_unreceived_messages_is_completed(transport: Transport) {
    let token = token();
    let server = transport.shared();
    let mut socket = transport.connect(server, &format!("/close-unheard/{token}"));
    transport.wait_note(server, &token, "accepted");
    // More than the queue holds.
    socket.send_bytes(Frame::text("unheard").masked().repeat(100));
    transport.hear(server, &format!("/open/{token}"));
    socket.closed_by_server(1000);
}
