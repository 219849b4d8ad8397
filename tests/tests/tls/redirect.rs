//! `--redirect-http`: requests in clear text are redirected to HTTPS.

use std::net::SocketAddr;

use pounce_tests::{Client, Options, Server};

fn start() -> (Server, SocketAddr) {
    let server = Server::start(Options::app("raw:app").with("--redirect-http", "0").tls());
    let stderr = server.stderr();
    let address = stderr.split("Redirecting http://").nth(1).and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("no address in {stderr}")).parse().expect("an address");
    (server, address)
}

fn ask(address: SocketAddr, request: &str) -> (u16, Option<String>) {
    let mut client = Client::tcp(address);
    client.send(request);
    let response = client.response();
    (response.status, response.header("location").map(str::to_owned))
}

#[test]
fn every_request_is_sent_to_the_same_resource_over_https() {
    let (server, address) = start();
    let port = server.address().port();
    for (request, location) in [
        (
            "GET /a/b?c=%20d HTTP/1.1\r\nHost: example.com\r\n\r\n",
            format!("https://example.com:{port}/a/b?c=%20d"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: example.com:80\r\nContent-Length: 0\r\n\r\n",
            format!("https://example.com:{port}/"),
        ),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", format!("https://[::1]:{port}/")),
        ("GET //evil.example HTTP/1.1\r\nHost: a\r\n\r\n", format!("https://a:{port}//evil.example")),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", format!("https://a:{port}/")),
    ] {
        assert_eq!(ask(address, request), (308, Some(location)), "{request}");
    }
    // Without a host nobody knows where.
    assert_eq!(ask(address, "GET / HTTP/1.0\r\n\r\n").0, 400);
    // The client follows it.
    let response = server.get("/hello");
    assert_eq!(response.status, 200);
}

#[test]
fn without_tls_there_is_nothing_to_redirect_to() {
    let server = Server::start(Options::app("raw:app").with("--redirect-http", "0"));
    assert!(
        server.stderr().contains("redirect-http (--redirect-http on the command line) has no effect without")
    );
    assert!(!server.stderr().contains("Redirecting"), "{}", server.stderr());
}
