//! Memory and file descriptors over many requests and connections: nothing leaks.

use pounce_tests::attack::growth_kib;
use pounce_tests::h2::Request;
use pounce_tests::notes::token;
use pounce_tests::python::is_free_threaded;
use pounce_tests::wait::{PATIENCE, within};
use pounce_tests::{Client, Options, Server, eventually};

fn start(app: &str) -> Server {
    Server::start(Options::app(app).flag("--no-access-log"))
}

/// Sends `request` `count` times over one connection, some at a time.
fn ask(server: &Server, request: &[u8], count: usize, status: u16) {
    let mut client = server.connect();
    for _ in 0..count / 10 {
        client.send(request.repeat(10));
        for _ in 0..10 {
            client.response().expect(status);
        }
    }
}

/// Shows that 20 000 requests take no more memory than 4 000.
fn stays_flat(server: &Server, request: &[u8]) {
    ask(server, request, 4_000, 200);
    let growth = growth_kib(server, || ask(server, request, 20_000, 200));
    assert!(growth < 3 * 1024, "grew by {growth} KiB over 20 000 requests");
}

#[test]
fn twenty_thousand_requests_leave_nothing_behind() {
    let server = start("raw:app");
    stays_flat(&server, b"GET /hello?a=b HTTP/1.1\r\nHost: test\r\nX-Header: value\r\nCookie: a=b\r\n\r\n");
}

#[test]
fn twenty_thousand_bodies_leave_nothing_behind() {
    let server = start("raw:app");
    let mut request = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2000\r\n\r\n".to_vec();
    request.extend(vec![b'x'; 2000]);
    stays_flat(&server, &request);
}

#[test]
fn twenty_thousand_waits_leave_nothing_behind() {
    let server = start("raw:app");
    stays_flat(&server, b"GET /sleep/0 HTTP/1.1\r\nHost: test\r\n\r\n");
}

#[test]
fn connections_opened_and_closed_leave_nothing_behind() {
    let server = start("raw:app");
    let open_and_close = |count: usize| {
        for _ in 0..count {
            server.get("/hello").expect(200);
        }
    };
    open_and_close(500);
    let descriptors = server.fd_count();
    let growth = growth_kib(&server, || open_and_close(3_000));
    assert!(growth < 3 * 1024, "grew by {growth} KiB over 3 000 connections");
    server.wait_fd_count(descriptors);
}

#[test]
fn five_hundred_idle_connections_are_held_and_given_back() {
    let server = start("raw:app");
    let descriptors = {
        server.get("/hello").expect(200);
        server.fd_count()
    };
    let growth = growth_kib(&server, || {
        let mut idle: Vec<Client> = (0..500).map(|_| server.connect()).collect();
        for client in &mut idle {
            client.get("/hello").response().expect(200);
        }
        let held = server.fd_count();
        assert!(held > 500, "{held} descriptors for 500 connections");
        for client in &mut idle {
            client.get("/hello").response().expect(200);
        }
    });
    assert!(growth < 16 * 1024, "grew by {growth} KiB for 500 connections");
    server.wait_fd_count(descriptors);
}

#[test]
fn refused_requests_and_failures_leave_nothing_behind() {
    let server = Server::start_silent(Options::app("faulty:app").flag("--no-access-log"), "critical");
    let fail = |count: usize| {
        for _ in 0..count {
            server.request("GET / HTTP/1.1\r\n\r\n").expect(400);
            server.get("/raise-before").expect(500);
            let mut client = server.connect();
            client.get("/raise-middle");
            client.rest();
        }
    };
    fail(300);
    let descriptors = server.fd_count();
    let growth = growth_kib(&server, || fail(1_000));
    assert!(growth < 3 * 1024, "grew by {growth} KiB over 3 000 failures");
    server.wait_fd_count(descriptors);
}

#[test]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    let server = start("raw:app");
    let leave = |count: usize| {
        for _ in 0..count {
            let mut client = server.connect();
            client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf");
            drop(client);
            let mut client = server.connect();
            client.get("/stream/100/10000");
            client.abort();
        }
    };
    leave(1_000);
    let descriptors = server.fd_count();
    let growth = growth_kib(&server, || leave(1_000));
    assert!(growth < 4 * 1024, "grew by {growth} KiB over 2 000 clients");
    server.wait_fd_count(descriptors);
}

/// A request's scope is many small objects, and each one left behind would keep a whole arena of Python's allocator.
#[test]
fn a_burst_of_large_requests_gives_its_memory_back_once_it_is_over() {
    const REQUESTS: u32 = 128;
    if is_free_threaded() == Some(true) {
        // mimalloc, the allocator of free-threaded Python, keeps half of it for the next burst.
        return eprintln!("skipped: a free-threaded Python keeps memory for itself");
    }
    let options = Options::app("raw:app").flag("--no-access-log");
    let server = Server::start(options.flag("--limit-request-fields=2000"));
    let token = token();
    let request = (0..1_500).fold(Request::get(&format!("/wait/{token}")), |request, number| {
        request.field(format!("x{}", number % 40), "v")
    });
    server.h2().ask(1, &Request::get("/hello")).expect(200);
    let before = server.rss_kib();
    let mut client = server.h2();
    for number in 0..REQUESTS {
        client.send(request.whole(1 + 2 * number));
    }
    eventually("all requests wait", || (server.notes(&token).len() == REQUESTS as usize).then_some(()));
    let held = server.rss_kib() - before;
    assert!(held > 24 * 1024, "{held} KiB is no burst");
    server.get(&format!("/open/{token}")).expect(200);
    for number in 0..REQUESTS {
        client.response(1 + 2 * number).expect(200);
    }
    let kept = || server.rss_kib().saturating_sub(before);
    let given_back = within(PATIENCE, || (kept() < 12 * 1024).then_some(()));
    assert!(given_back.is_some(), "{} of {held} KiB are kept", kept());
}

/// The memory of each of 500 idle WebSockets, in KiB.
fn idle_websocket(extensions: &str) -> f64 {
    const COUNT: usize = 500;
    let server = start("websocket:app");
    let open = |count: usize| {
        let ask = format!(
            "GET /echo HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
        );
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = server.connect();
            client.send(&ask).head().expect(101);
            clients.push(client);
        }
        clients
    };
    let warm = open(200);
    let mut held = Vec::new();
    let growth = growth_kib(&server, || held = open(COUNT));
    drop((warm, held));
    growth as f64 / COUNT as f64
}

/// Memory that the allocator keeps or returns meanwhile counts too, so the two results are not compared with each
/// other: a compressor or decompressor takes more than 30 KiB, and would show in either.
#[test]
fn an_idle_websocket_is_small_and_deflate_costs_nothing_until_it_is_used() {
    let plain = idle_websocket("");
    assert!(plain < 8.0, "{plain} KiB a WebSocket");
    let deflated = idle_websocket("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert!(deflated < 8.0, "{deflated} KiB with deflate");
    println!("{plain:.1} KiB each, {deflated:.1} with deflate");
}
