//! Clients that are slow on purpose: each timeout applies to its case, and other clients are served
//! meanwhile. Timeouts are small; the tests assert only the outcome.

use pounce_tests::notes::token;
use pounce_tests::{Client, Options, Server};
use std::sync::OnceLock;
use std::time::Duration;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = Options::app("raw:app").with("--timeout-header", "1").with("--timeout-body", "1");
        Server::start(options.with("--timeout-write", "1").with("--timeout-keep-alive", "1"))
    })
}

#[test]
fn a_head_that_does_not_end_is_timed_out() {
    for start in ["G", "GET /hello HTTP/1.1\r\n", "GET /hello HTTP/1.1\r\nHost: test\r\n"] {
        let mut client = server().connect();
        client.send(start);
        assert!(client.response().expect(408).says_close());
        client.expect_closed();
    }
}

#[test]
fn the_time_for_a_head_is_for_all_of_it_and_not_for_each_read() {
    let mut client = server().connect();
    client.send("GET /hello HTTP/1.1\r\nHost: test\r\nX-A: ");
    let mut refused = false;
    for _ in 0..300 {
        if client.try_send("a").is_err() {
            refused = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(refused, "a byte every tenth of a second kept the connection for half a minute");
}

#[test]
fn new_clients_are_served_while_hundreds_of_heads_trickle_in() {
    let mut slow: Vec<Client> = (0..400).map(|_| server().connect()).collect();
    for client in &mut slow {
        client.send("GET /hello HTTP/1.1\r\nHost: te");
    }
    for _ in 0..20 {
        server().get("/hello").expect(200);
    }
    for client in &mut slow {
        client.response().expect(408);
        client.expect_closed();
    }
}

#[test]
fn a_new_connection_that_says_nothing_is_closed() {
    let mut client = server().connect();
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&rest));
}

#[test]
fn an_idle_connection_is_closed_silently() {
    let mut client = server().connect();
    client.get("/hello");
    client.response().expect(200);
    client.expect_closed();
}

#[test]
fn a_second_head_that_does_not_end_is_timed_out_too() {
    let mut client = server().connect();
    client.get("/hello");
    client.response().expect(200);
    client.send("GET /hello HTTP/1.1\r\nHost: ");
    client.response().expect(408);
    client.expect_closed();
}

#[test]
fn a_body_that_stalls_is_timed_out_and_the_application_sees_the_disconnect() {
    for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhe"] {
        let token = token();
        let mut client = server().connect();
        client.send(format!("POST /count/{token} HTTP/1.1\r\nHost: test\r\n{framing}"));
        assert!(client.response().expect(408).says_close());
        client.expect_closed();
        server().wait_note(&token, "disconnect after ");
    }
}

#[test]
fn a_body_that_comes_slowly_but_steadily_is_taken() {
    let mut client = server().connect();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        client.send("x");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(client.response().expect(200).text(), "xxxxxxxx");
}

#[test]
fn a_slow_application_is_not_timed_out() {
    let response = server().get("/sleep/3").expect(200);
    assert_eq!(response.text(), "slept 3");
}

#[test]
fn an_application_that_leaves_the_body_alone_is_no_fault_of_the_client() {
    let token = token();
    let mut client = server().connect();
    client.send(format!(
        "POST /wait-then-count/{token} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
    ));
    server().wait_note(&token, "waiting");
    std::thread::sleep(Duration::from_millis(2500));
    server().get(&format!("/open/{token}")).expect(200);
    assert_eq!(client.response().expect(200).text(), "5");
}

#[test]
fn a_client_that_does_not_read_is_aborted_and_the_application_notified() {
    let token = token();
    let mut client = Client::tcp_with_receive_buffer(server().address(), 16384);
    client.get(&format!("/progress/{token}/2000/65536"));
    let note = server().wait_note(&token, "error ");
    assert!(note.contains("OSError"), "{note}");
    assert!(client.rest().len() < 2000 * 65536, "the whole response came all the same");
}
