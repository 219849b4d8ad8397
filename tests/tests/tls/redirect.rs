//! `--redirect-http`: requests in clear text are redirected to HTTPS.

use std::net::SocketAddr;

use pounce_tests::{Client, Options, Server};

fn start() -> (Server, SocketAddr) {
    start_with(Options::app("raw:app").with("--redirect-http", "0"))
}

fn start_with(options: Options) -> (Server, SocketAddr) {
    let server = Server::start(options.tls());
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
fn each_host_redirects_once() {
    for (binds, count) in [(["127.0.0.1:0", "127.0.0.2:0"], 2), (["0.0.0.0:0", "127.0.0.1:0"], 1)] {
        let options = Options::app("raw:app").with("--redirect-http", "0").tls();
        let server = Server::start(binds.iter().fold(options, |options, bind| options.with("--bind", bind)));
        assert_eq!(server.stderr().matches("Redirecting http://").count(), count, "{}", server.stderr());
    }
}

#[test]
fn a_server_of_unix_sockets_redirects_nobody() {
    let options = Options::app("raw:app").with("--redirect-http", "0").with("--uds", "app.sock").tls();
    let server = Server::start(options);
    server.wait_stderr("redirect-http has no effect: the server listens at no TCP port");
}

#[test]
fn the_limits_and_headers_of_the_server_hold() {
    let options = Options::app("raw:app").with("--redirect-http", "0").flag("--no-server-header");
    let (server, address) = start_with(options.with("--limit-connections", "1"));
    let mut client = Client::tcp(address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.header("server")), (308, None));
    // The first one is still connected.
    assert_eq!(ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").0, 503);
    drop(server);
}

#[test]
fn without_tls_there_is_nothing_to_redirect_to() {
    let server = Server::start(Options::app("raw:app").with("--redirect-http", "0"));
    assert!(
        server.stderr().contains("redirect-http (--redirect-http on the command line) has no effect without")
    );
    assert!(!server.stderr().contains("Redirecting"), "{}", server.stderr());
}
