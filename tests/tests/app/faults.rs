//! Applications that fail: the client gets an honest answer, the operator a reason, and other clients
//! are served as before.

use pounce_tests::notes::token;
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("faulty:app")))
}

#[test]
fn raising_before_the_response_is_a_500_that_tells_the_client_nothing() {
    let token = token();
    let response = server().get(&format!("/raise-before/{token}")).expect(500);
    let kind = response.header("content-type").expect("a content type").to_owned();
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert!(
        !response.text().contains(&token) && !response.text().contains("Traceback"),
        "{}",
        response.text()
    );
}

#[test]
fn an_exception_is_logged_with_its_traceback_once() {
    let token = token();
    server().get(&format!("/raise-before/{token}")).expect(500);
    server().wait_stderr(&format!("RuntimeError: {token} before the response"));
    // All log lines about this request come before the next answer.
    server().get("/pid").expect(200);
    let log = server().stderr();
    assert_eq!(log.matches(&format!("RuntimeError: {token} ")).count(), 1, "{log}");
    assert!(log.contains("raise RuntimeError(f\"{token} before the response\")"), "no source line: {log}");
}

#[test]
fn a_connection_survives_an_exception_before_the_response_or_is_closed_honestly() {
    let mut client = server().connect();
    let response = client.get("/raise-before").response().expect(500);
    if response.says_close() {
        client.expect_closed();
    } else {
        client.get("/pid").response().expect(200);
    }
}

#[test]
fn head_gets_a_500_without_a_body() {
    let mut client = server().connect();
    client.send("HEAD /raise-before HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    client.response_to_head().expect(500);
    client.expect_closed();
}

#[test]
fn returning_without_a_response_is_a_500() {
    for target in ["/return-before", "/half-sync"] {
        server().get(target).expect(500);
    }
}

#[test]
fn a_plain_function_that_gives_nothing_to_await_is_a_500() {
    let server = Server::start(Options::app("faulty:plain"));
    for target in ["/sync-raises", "/sync-none", "/sync-number"] {
        server.get(target).expect(500);
        server.get("/pid").expect(200);
    }
}

#[test]
fn failing_after_the_start_alone_is_never_a_whole_response() {
    for target in ["/raise-after-start", "/return-after-start"] {
        let mut client = server().connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        let rest = String::from_utf8_lossy(&client.rest()).into_owned();
        let whole = rest.ends_with("0\r\n\r\n") || rest.to_lowercase().contains("content-length: 0");
        assert!(rest.starts_with("HTTP/1.1 500 ") || !whole, "{target}: {rest:?}");
    }
}

#[test]
fn failing_in_the_middle_leaves_the_body_unterminated_and_closes() {
    for target in ["/raise-middle", "/return-middle"] {
        let mut client = server().connect();
        client.get(target);
        let head = client.head().expect(200);
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{target}");
        assert_eq!(client.rest(), b"4\r\npart\r\n", "{target}");
    }
    let mut client = server().connect();
    client.get("/raise-middle/boom/100");
    assert_eq!(client.head().expect(200).header("content-length"), Some("100"));
    assert_eq!(client.rest(), b"part");
}

#[test]
fn raising_after_the_response_leaves_it_whole() {
    let token = token();
    assert_eq!(server().get(&format!("/raise-after/{token}")).expect(200).text(), "whole");
    server().wait_stderr(&format!("RuntimeError: {token} after the response"));
}

#[test]
fn a_body_longer_than_its_length_raises_and_is_never_sent() {
    for target in ["too-long", "too-long-by-parts"] {
        let token = token();
        let mut client = server().connect();
        client.send(format!("GET /{target}/{token} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        let answer = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(!answer.contains("56789"), "{target}: {answer:?}");
        let note = server().wait_note(&token, "").to_lowercase();
        assert!(note.contains("content-length") || note.contains("content length"), "{target}: {note}");
    }
}

#[test]
fn a_body_shorter_than_its_length_raises_and_never_passes_for_whole() {
    let mut client = server().connect();
    // The whole body in one message: nothing has been sent yet, so the client gets an error.
    client.get("/too-short").get("/pid");
    client.response().expect(500);
    client.response().expect(200);
    // In mid-response the connection ends short of the announced length.
    let mut client = server().connect();
    client.get("/too-short-in-parts").get("/pid");
    client.head().expect(200);
    assert_eq!(client.rest(), b"0123");
}

#[test]
fn sending_after_the_end_raises_and_reaches_no_client() {
    for what in ["body", "start"] {
        let token = token();
        let mut client = server().connect();
        client.get(&format!("/after-end/{token}/{what}")).get("/pid");
        assert_eq!(client.response().expect(200).text(), "whole");
        client.response().expect(200);
        let note = server().wait_note(&token, "");
        assert_ne!(note, "no exception", "{what}");
    }
}

#[test]
fn a_task_that_sends_after_the_application_returned_gets_an_exception() {
    let token = token();
    let mut client = server().connect();
    client.get(&format!("/after-end-from-task/{token}"));
    assert_eq!(client.response().expect(200).text(), "whole");
    assert_ne!(server().wait_note(&token, ""), "no exception");
    client.get("/pid").response().expect(200);
}

#[test]
fn after_the_response_receive_gives_a_disconnect() {
    let token = token();
    let mut client = server().connect();
    client.get(&format!("/receive-after-end/{token}"));
    client.response().expect(200);
    assert_eq!(server().wait_note(&token, ""), "http.disconnect");
}

#[test]
fn when_the_client_has_gone_receive_says_so_and_send_raises_os_error() {
    let token = token();
    let mut client = server().connect();
    client.get(&format!("/send-to-nobody/{token}"));
    server().wait_note(&token, "began");
    client.abort();
    server().wait_note(&token, "disconnect");
    server().wait_note(&token, "again http.disconnect");
    let note = server().wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
}

#[test]
fn whatever_an_application_raises_is_a_500_and_the_server_goes_on() {
    for what in ["recursion", "group", "base", "generator-exit", "memory", "stop", "unprintable", "os-error"]
    {
        server()
            .accepts(format!("GET /raises/{what} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"), 500);
    }
}

#[test]
fn a_cancellation_that_the_application_raises_itself_is_a_500() {
    server().accepts("GET /raises/cancelled HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", 500);
}

#[test]
fn an_application_cannot_exit_the_server() {
    for what in ["sys-exit", "system-exit", "keyboard"] {
        cannot_exit(what);
    }
}

#[test]
fn a_task_of_the_application_cannot_exit_the_server() {
    cannot_exit("exit-in-task");
}

/// Uses a separate server: if it exits, other tests must not fail.
fn cannot_exit(what: &str) {
    let server = Server::start(Options::app("faulty:app"));
    let request = format!("GET /raises/{what} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let mut client = server.connect();
    client.send(request);
    assert!(client.has_more(), "no answer to {what}\n{}", server.stderr());
    client.response().expect(500);
    assert!(
        server.get("/pid").expect(200).text() == server.pid().to_string(),
        "another process after {what}"
    );
}

#[test]
fn an_application_may_close_standard_input() {
    let server = Server::start(Options::app("faulty:app"));
    server.get("/close-descriptors").expect(200);
    for _ in 0..10 {
        server.get("/pid").expect(200);
    }
}

#[test]
fn an_exception_on_one_connection_does_not_disturb_another() {
    let token = token();
    let mut other = server().connect();
    other.get(&format!("/send-to-nobody/{token}"));
    server().wait_note(&token, "began");
    for _ in 0..50 {
        server().get("/raise-before").expect(500);
    }
    other.expect_silence(std::time::Duration::from_millis(100));
}
