//! `--request-id`: each request has an id in a header.

use std::collections::HashSet;

use pounce_tests::transport::{Ask, Transport};
use pounce_tests::{Options, Server, over_every_transport};

fn options() -> Options {
    Options::app("proxied:app")
        .with("--request-id", "X-Request-ID")
        .with("--access-log-format", "json")
        .with("--health-path", "/healthz")
}

/// The id in the response, which the application saw alone.
fn id(server: &Server, transport: Transport, ask: &Ask) -> String {
    let answer = transport.ask(server, ask).answer().expect(200);
    let id = answer.header("x-request-id").expect("it has one").to_owned();
    assert_eq!(String::from_utf8_lossy(&answer.body), id);
    id
}

over_every_transport! {
    a_request_has_the_trusted_proxys_id_or_a_new_one,
}

fn a_request_has_the_trusted_proxys_id_or_a_new_one(transport: Transport) {
    let server = Server::start(options().over(transport));
    let made: HashSet<String> = (0..20).map(|_| id(&server, transport, &Ask::get("/ids"))).collect();
    assert_eq!(made.len(), 20);
    assert!(
        made.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "{made:?}"
    );
    assert_eq!(
        id(&server, transport, &Ask::get("/ids").header("x-request-id", "from-proxy/1")),
        "from-proxy/1"
    );
    server.wait_stdout_line("\"request_id\":\"from-proxy/1\"");
    // One that the application sends gives way: it would not be the one in the logs.
    assert_eq!(id(&server, transport, &Ask::get("/ids/own")).len(), 32);
    for unsound in ["", "with space", &"x".repeat(129), "\u{e9}"] {
        assert_eq!(
            id(&server, transport, &Ask::get("/ids").header("x-request-id", unsound)).len(),
            32,
            "{unsound:?}"
        );
    }
    // The server's own answers have one as well: the 500 of an application that fails.
    for (path, status) in [("/crash", 500), ("/healthz", 200)] {
        let answer = transport.get(&server, path);
        assert_eq!(
            (answer.status(), answer.header("x-request-id").map(str::len)),
            (Some(status), Some(32)),
            "{path}"
        );
    }
    let two = Ask::get("/ids").header("x-request-id", "one").header("x-request-id", "two");
    assert_eq!(id(&server, transport, &two).len(), 32);
}

#[test]
fn the_id_of_a_client_is_not_taken() {
    let server = Server::start(options().with("--forwarded-allow-ips", "10.0.0.1"));
    let ask = Ask::get("/ids").header("x-request-id", "invented");
    assert_eq!(id(&server, Transport::ClearHttp1, &ask).len(), 32);
}

#[test]
fn without_the_option_nothing_is_added() {
    let server = Server::start(Options::app("proxied:app"));
    let response = server.get("/ids").expect(200);
    assert_eq!((response.header("x-request-id"), response.text()), (None, String::new()));
    let exit = Server::run(Options::app("proxied:app").with("--request-id", "content-length"));
    assert!(exit.stderr.contains("request-id: expected the name of a header"), "{}", exit.stderr);
}
