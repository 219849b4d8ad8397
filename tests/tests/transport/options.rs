//! Options that change every response or the available transports.

use pounce_tests::secured::NAME;
use pounce_tests::tls::TlsStream;
use pounce_tests::{Ask, Client, Options, Server, Transport, over_every_transport};

over_every_transport! {
    date_and_server_are_sent_unless_they_are_turned_off,
    headers_of_the_operator_are_added,
    a_page_for_debugging_shows_the_exception,
    an_idle_connection_is_closed,
    connections_over_the_limit_are_not_served,
    an_application_of_asgi_2_is_served,
    frameworks_answer_the_same,
}

fn date_and_server_are_sent_unless_they_are_turned_off(transport: Transport) {
    let server = Server::start(Options::app("transport:app").over(transport));
    for path in ["/hello", "/return-before"] {
        let answer = transport.get(&server, path);
        assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")), "{path}: {answer:?}");
        assert_eq!(answer.header("server"), Some("pounce"), "{path}");
    }
    let options = Options::app("transport:app").flag("--no-date-header").flag("--no-server-header");
    let server = Server::start(options.over(transport));
    for path in ["/hello", "/return-before"] {
        let answer = transport.get(&server, path);
        assert_eq!((answer.header("date"), answer.header("server")), (None, None), "{path}");
    }
}

fn headers_of_the_operator_are_added(transport: Transport) {
    let options =
        Options::app("transport:app").with("--header", "X-Operator: a, b").with("--header", "x-more:c");
    let server = Server::start(options.over(transport));
    let answer = transport.get(&server, "/hello").expect(200);
    assert_eq!((answer.header("x-operator"), answer.header("x-more")), (Some("a, b"), Some("c")));
}

fn a_page_for_debugging_shows_the_exception(transport: Transport) {
    let server = Server::start(Options::app("transport:app").flag("--debug").over(transport));
    let answer = transport.get(&server, "/page").expect(500);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{answer:?}");
    assert!(
        answer.text().contains("marker line") && !answer.text().contains("local-secret"),
        "{}",
        answer.text()
    );
}

fn an_idle_connection_is_closed(transport: Transport) {
    let options = Options::app("transport:app").with("--timeout-keep-alive", "1");
    let server = Server::start(options.over(transport));
    let before = server.fd_count();
    let mut exchange = transport.ask(&server, &Ask::get("/hello"));
    exchange.expect_piece("hello");
    assert_eq!(exchange.piece(), None);
    // The client still holds the connection, but the server has closed it.
    server.wait_fd_count(before);
    drop(exchange);
}

fn connections_over_the_limit_are_not_served(transport: Transport) {
    let options = Options::app("transport:app").with("--limit-connections", "1");
    let server = Server::start(options.over(transport));
    let mut held = transport.ask(&server, &Ask::get("/hello"));
    held.expect_piece("hello");
    assert_eq!(held.piece(), None);
    let second = transport.try_ask(&server.connector(), &Ask::get("/hello"));
    let status = second.ok().and_then(|exchange| exchange.answer().status());
    assert!(matches!(status, None | Some(503)), "{status:?}");
    assert_eq!(held.again(&Ask::get("/hello")).answer().expect(200).text(), "hello");
}

fn an_application_of_asgi_2_is_served(transport: Transport) {
    let server = Server::start(Options::app("shapes:Asgi2").over(transport));
    transport.get(&server, "/").expect(200);
}

fn frameworks_answer_the_same(transport: Transport) {
    for (module, app) in [
        ("starlette", "starlette_app:app"),
        ("fastapi", "fastapi_app:app"),
        ("django", "django_app:application"),
        ("litestar", "litestar_app:app"),
        ("quart", "quart_app:app"),
    ] {
        if !pounce_tests::python::has(module) {
            continue;
        }
        let (server, clear) =
            (Server::start(Options::app(app).over(transport)), Server::start(Options::app(app)));
        for path in ["/json", "/stream", "/sync", "/nothing-here"] {
            let (answer, wanted) = (transport.get(&server, path), clear.get(path));
            assert_eq!(
                (answer.status(), answer.text()),
                (Some(wanted.status), wanted.text()),
                "{app} {path}"
            );
        }
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(300_000));
        let ask = Ask::post("/echo").length(text.len()).header("content-type", "application/json");
        let echoed = transport.ask(&server, &ask).stream([text.clone()]).expect(200).json();
        assert!(
            serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|sent| sent == echoed),
            "{app} /echo"
        );
        transport.get(&server, "/fails").expect(500);
    }
}

#[test]
fn only_the_chosen_version_of_http_is_served_in_clear_text() {
    let one = Server::start(Options::app("transport:app").with("--http", "1"));
    let exchange = Transport::ClearHttp2.try_ask(&one.connector(), &Ask::get("/hello"));
    assert_eq!(exchange.ok().and_then(|exchange| exchange.answer().status()), None);
    one.get("/hello").expect(200);

    let two = Server::start(Options::app("transport:app").with("--http", "2"));
    let mut client = Client::tcp(two.address());
    client.get("/hello");
    let told = client.rest();
    assert!(!told.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&told));
    Transport::ClearHttp2.get(&two, "/hello").expect(200);
}

#[test]
fn a_preface_that_breaks_off_or_differs_is_closed_without_an_answer_of_http_1() {
    let server = Server::start(Options::app("transport:app"));
    for bytes in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\nX"] {
        let mut client = Client::tcp(server.address());
        client.send(bytes);
        let told = client.rest();
        assert!(!told.starts_with(b"HTTP/1"), "{bytes:?}: {:?}", String::from_utf8_lossy(&told));
    }
    server.get("/hello").expect(200);
}

#[test]
fn http_2_that_begins_slowly_in_clear_text_is_understood() {
    let server = Server::start(Options::app("transport:app").tls());
    let config = server.tls().trust().alpn(&["h2"]).config();
    let stream = TlsStream::connect(server.address(), &config, NAME).expect("a handshake");
    let clear = Server::start(Options::app("transport:app"));
    for mut client in [Client::tls(stream), Client::tcp(clear.address())] {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" {
            client.send([*byte]);
        }
        let head = client.take(9);
        assert_eq!(head[3], 4, "settings come first: {head:?}");
    }
}
