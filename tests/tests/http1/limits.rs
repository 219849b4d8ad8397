//! Limits on connections, running requests, and the sizes of requests.

use pounce_tests::notes::token;
use pounce_tests::{Client, Options, Response, Server, eventually};
use std::sync::OnceLock;
use std::time::Duration;

/// A server with small limits on sizes.
fn small() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let options = Options::app("raw:app").with("--limit-request-line", "100");
        let options = options.with("--limit-request-fields", "5").with("--limit-header-size", "1000");
        Server::start(options.with("--limit-request-body", "1000"))
    })
}

fn with_defaults() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn with_fields(count: usize, size: usize) -> String {
    let fields: String = (1..count).map(|number| format!("X-{number}: {}\r\n", "v".repeat(size))).collect();
    format!("GET /hello HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

fn says_when_to_come_back(response: &Response) {
    let seconds = response.header("retry-after").expect("a Retry-After header");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
}

#[test]
fn a_request_line_over_the_limit_is_refused() {
    small().refuses(format!("GET /hello?{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(100)), &[414]);
    small().get(&format!("/hello?{}", "a".repeat(60))).expect(200);
}

#[test]
fn more_fields_than_the_limit_are_refused() {
    small().refuses(with_fields(6, 1), &[431]);
    small().connect().send(with_fields(5, 1)).response().expect(200);
}

#[test]
fn a_header_section_over_the_limit_is_refused() {
    small().refuses(with_fields(4, 400), &[431]);
    small().refuses(with_fields(2, 1100), &[431]);
    small().connect().send(with_fields(4, 200)).response().expect(200);
}

#[test]
fn a_body_whose_length_is_over_the_limit_is_refused_before_it_is_sent() {
    let mut client = small().connect();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1001\r\n\r\n");
    assert!(client.response().expect(413).says_close());
    client.expect_closed();
    let mut client = small().connect();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    client.response().expect(413);
    assert_eq!(small().post("/echo", &[b'x'; 1000]).expect(200).body.len(), 1000);
}

#[test]
fn a_chunked_body_that_goes_over_the_limit_is_refused_in_mid_stream() {
    let chunk = format!("190\r\n{}\r\n", "x".repeat(400));
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    small().refuses(format!("{head}{}0\r\n\r\n", chunk.repeat(3)), &[413]);
    let mut client = small().connect();
    client.send(format!("{head}{}0\r\n\r\n", chunk.repeat(2)));
    assert_eq!(client.response().expect(200).body.len(), 800);
}

#[test]
fn a_body_over_the_limit_is_a_disconnect_for_the_application() {
    let token = token();
    let head = format!("POST /count/{token} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut client = small().connect();
    client.send(head).send(format!("190\r\n{}\r\n", "x".repeat(400)));
    client.send(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
    client.response().expect(413);
    client.expect_closed();
    small().wait_note(&token, "disconnect after ");
}

#[test]
fn the_default_limits_take_what_browsers_send_and_no_more() {
    let server = with_defaults();
    server.get(&format!("/hello?{}", "a".repeat(8000))).expect(200);
    server.refuses(format!("GET /hello?{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(8200)), &[414]);
    server.connect().send(with_fields(100, 10)).response().expect(200);
    server.refuses(with_fields(101, 10), &[431]);
    server.connect().send(with_fields(60, 1000)).response().expect(200);
    server.refuses(with_fields(70, 1000), &[431]);
}

#[test]
fn connections_over_the_limit_get_503_and_retry_after() {
    let server = Server::start(Options::app("raw:app").with("--limit-connections", "2"));
    let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
    let mut third = server.connect();
    third.get("/hello");
    says_when_to_come_back(&third.response().expect(503));
    third.expect_closed();
    for client in &mut held {
        client.get("/hello").response().expect(200);
    }
    drop(held);
    eventually("a place is free again", || (server.get("/hello").status == 200).then_some(()));
}

#[test]
fn a_flood_of_connections_over_the_limit_does_not_use_up_descriptors() {
    let server = Server::start(Options::app("raw:app").with("--limit-connections", "1"));
    let mut held = server.connect();
    held.get("/hello").response().expect(200);
    let before = server.fd_count();
    // They neither read nor close: each answered one holds a descriptor of the server for a moment.
    let flood: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    held.get("/hello").response().expect(200);
    let during = server.fd_count();
    assert!(during <= before + 64 + 2, "{during} descriptors, {before} before");
    drop((flood, held));
    eventually("a place is free again", || {
        let mut client = server.connect();
        // One more while the flood's are still being closed is closed without a response.
        let is_answered = client.try_send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
            && client.try_has_more().is_ok_and(|has_more| has_more);
        (is_answered && client.response().status == 200).then_some(())
    });
}

#[test]
fn requests_over_the_limit_get_503_and_retry_after() {
    let server = Server::start(Options::app("raw:app").with("--limit-concurrency", "1"));
    let token = token();
    let mut first = server.connect();
    first.get(&format!("/watch/{token}"));
    // A request sent too soon could take the first one's place.
    std::thread::sleep(Duration::from_millis(300));
    let mut second = server.connect();
    eventually("the first request is running", || {
        let refused = second.get("/hello").response();
        if refused.says_close() {
            second = server.connect();
        }
        (refused.status == 503).then(|| says_when_to_come_back(&refused))
    });
    drop(first);
    eventually("its client has gone, and its place is free", || {
        (server.get("/hello").status == 200).then_some(())
    });
}

#[test]
fn many_idle_connections_do_not_count_as_running_requests() {
    let server = Server::start(Options::app("raw:app").with("--limit-concurrency", "2"));
    let mut idle: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut idle {
        client.get("/hello").response().expect(200);
    }
    server.get("/hello").expect(200);
}
