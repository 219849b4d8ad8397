//! Applications that raise, return or are cancelled: the effects on the client and the log.

use pounce_tests::notes::token;
use pounce_tests::{Handshake, Options, Transport, over_every_transport};
use serde_json::{Value, json};

over_every_transport! {
    an_application_that_raises_before_accept_is_500,
    an_application_that_returns_before_answering_is_500,
    an_application_that_raises_after_accept_is_1011,
    an_application_that_returns_after_accept_is_1000,
    an_oserror_because_the_client_has_closed_is_no_failure,
    a_receive_that_is_given_up_loses_no_message,
    a_receive_that_is_cancelled_at_the_last_moment_loses_no_message,
    two_tasks_that_wait_in_receive_lose_no_message,
}

fn an_application_that_raises_before_accept_is_500(transport: Transport) {
    let (token, server) = (token(), transport.shared());
    let handshake = Handshake::to(&format!("/raise-before/{token}"));
    let response = transport.upgrade(server, &handshake).expect_err("it is refused").expect(500);
    assert!(!response.text().contains(&token), "the error is not for clients: {response:?}");
    server.wait_stderr(&format!("RuntimeError: {token} before accept"));
    transport.hear(server, "/hello");
}

fn an_application_that_returns_before_answering_is_500(transport: Transport) {
    let response = transport.upgrade(transport.shared(), &Handshake::to("/return-before"));
    response.expect_err("it is refused").expect(500);
    transport.hear(transport.shared(), "/hello");
}

fn an_application_that_raises_after_accept_is_1011(transport: Transport) {
    let (token, server) = (token(), transport.shared());
    let reason = transport.connect(server, &format!("/raise-after/{token}")).closed_by_server(1011);
    assert!(!reason.contains(&token), "the error is not for clients: {reason}");
    server.wait_stderr(&format!("RuntimeError: {token} after accept"));
    assert_eq!(server.stderr().matches(&format!("RuntimeError: {token}")).count(), 1);
}

fn an_application_that_returns_after_accept_is_1000(transport: Transport) {
    transport.connect(transport.shared(), "/return-after").closed_by_server(1000);
}

fn an_oserror_because_the_client_has_closed_is_no_failure(transport: Transport) {
    let mut server = transport.start(Options::app("websocket:app"));
    let token = token();
    let mut socket = transport.connect(&server, &format!("/send-until-it-raises/{token}"));
    socket.expect_text("on").send_close(1000, "");
    server.wait_stderr(&format!("{token} send Disconnected|Disconnected,OSError,"));
    assert_eq!(socket.code_at_the_end(), Some(1000));
    server.sigterm();
    let stderr = server.wait_exit().stderr;
    assert!(!stderr.contains("Traceback"), "{stderr}");
}

fn a_receive_that_is_given_up_loses_no_message(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/cancel-receive/100");
    let sent: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
    for text in &sent {
        socket.send_text(text);
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    assert_eq!(socket.json(), json!(sent));
    socket.send_text("on").expect_text("on");
}

fn a_receive_that_is_cancelled_at_the_last_moment_loses_no_message(transport: Transport) {
    let (token, server) = (token(), transport.shared());
    let mut socket = transport.connect(server, &format!("/cancel-at-the-last-moment/{token}"));
    transport.wait_note(server, &token, "waits");
    socket.send_text("kept").expect_text("kept");
    socket.send_text("next").expect_text("next");
}

fn two_tasks_that_wait_in_receive_lose_no_message(transport: Transport) {
    let mut socket = transport.connect(transport.shared(), "/two-receivers/50");
    let mut sent: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
    for text in &sent {
        socket.send_text(text);
    }
    let mut said = socket.json();
    let errors = said["errors"].take();
    // Waiting twice may be an error of the application, but no received message may be lost.
    let heard: Vec<String> = serde_json::from_value(said["heard"].take()).expect("a list of texts");
    sent.sort();
    assert_eq!(heard, sent, "{errors}");
    assert_eq!(errors, Value::Array(Vec::new()), "no task was told of an error");
    socket.send_text("on").expect_text("on");
}
