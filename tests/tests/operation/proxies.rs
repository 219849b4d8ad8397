//! What trusted proxies say: fields of requests, and the PROXY protocol.

use pounce_tests::tls::TlsStream;
use pounce_tests::transport::{Ask, Transport};
use pounce_tests::{Client, Options, Server, over_every_transport};
use serde_json::{Value, json};

fn options() -> Options {
    Options::app("proxied:app")
}

/// The scope of a GET with these header lines.
fn scope(server: &Server, lines: &str) -> Value {
    let mut client = server.connect();
    client.send(format!("GET /scope?x=1 HTTP/1.1\r\nHost: test\r\n{lines}\r\n"));
    serde_json::from_str(&client.response().expect(200).text()).expect("JSON")
}

const ALL: &str = "X-Forwarded-For: 198.51.100.9, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: example.org\r\nX-Forwarded-Prefix: /api\r\n";

over_every_transport! {
    a_trusted_proxy_says_who_asks,
}

fn a_trusted_proxy_says_who_asks(transport: Transport) {
    let server = Server::start(options().over(transport));
    let ask = Ask::get("/scope").header("x-forwarded-for", "198.51.100.9, 192.0.2.1");
    let ask = ask.header("x-forwarded-proto", "https").header("x-forwarded-host", "example.org");
    let answer = transport.ask(&server, &ask.header("x-forwarded-prefix", "/api")).answer().expect(200);
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let expected = json!({
        "type": "http", "client": ["192.0.2.1", 0], "server": ["example.org", 443],
        "scheme": "https", "root_path": "/api", "path": "/api/scope",
    });
    assert_eq!(told, expected);
    server.wait_stdout_line("192.0.2.1 - \"GET /scope");
}

#[test]
fn the_requests_of_one_connection_are_told_apart() {
    let server = Server::start(options());
    let mut client = server.connect();
    let mut told = |lines: &str| -> Value {
        client.send(format!("GET /scope HTTP/1.1\r\nHost: test\r\n{lines}\r\n"));
        serde_json::from_str(&client.response().expect(200).text()).expect("JSON")
    };
    let plain = told("");
    assert_eq!(
        (&plain["scheme"], &plain["root_path"], &plain["path"]),
        (&json!("http"), &json!(""), &json!("/scope"))
    );
    assert_eq!(told("X-Forwarded-For: 192.0.2.1\r\n")["client"], json!(["192.0.2.1", 0]));
    assert_eq!(told("X-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Prefix: /p\r\n")["path"], json!("/p/scope"));
    assert_eq!(told(""), plain);
    assert_eq!(told("Forwarded: for=192.0.2.3;proto=https\r\n")["client"], json!(["192.0.2.3", 0]));
}

#[test]
fn others_are_not_believed() {
    for options in [
        options().with("--forwarded-allow-ips", "10.0.0.1,192.0.2.0/24"),
        options().env("FORWARDED_ALLOW_IPS", "unix"),
        options().flag("--no-proxy-headers"),
    ] {
        let server = Server::start(options);
        let told = scope(&server, ALL);
        assert_eq!(told["client"][0], json!("127.0.0.1"));
        assert_eq!((&told["scheme"], &told["path"]), (&json!("http"), &json!("/scope")));
    }
}

#[test]
fn networks_names_and_all_may_be_trusted() {
    for value in ["*", "127.0.0.0/8", "10.0.0.1, 127.0.0.1"] {
        let server = Server::start(options().env("FORWARDED_ALLOW_IPS", value));
        let expected = if value == "*" { "198.51.100.9" } else { "192.0.2.1" };
        assert_eq!(scope(&server, ALL)["client"][0], json!(expected), "{value}");
    }
    let exit = Server::run(options().with("--forwarded-allow-ips", "127.0.0.1,proxy.example"));
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("forwarded-allow-ips: expected addresses, networks"), "{}", exit.stderr);
}

#[test]
fn a_proxy_at_a_unix_socket_is_trusted_where_it_is_named() {
    for (trusted, client) in [("unix", json!(["192.0.2.1", 0])), ("127.0.0.1", Value::Null)] {
        let server =
            Server::start(options().with("--forwarded-allow-ips", trusted).with("--bind", "unix:s.sock"));
        let mut connection = Client::unix(&server.directory().join("s.sock"));
        connection.send(format!("GET /scope HTTP/1.1\r\nHost: test\r\n{ALL}\r\n"));
        let told: Value = serde_json::from_str(&connection.response().expect(200).text()).expect("JSON");
        assert_eq!(told["client"], client, "{trusted}");
    }
}

#[test]
fn websockets_are_told_as_well() {
    let server = Server::start(options());
    let mut client = server.connect();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{ALL}\r\n"
    ));
    assert_eq!(client.head().status, 101);
    // A close frame, masked, so that the server need not wait for it.
    client.send([0x88, 0x80, 0, 0, 0, 0]);
    let frames = String::from_utf8_lossy(&client.rest()).into_owned();
    for text in [
        "\"client\": [\"192.0.2.1\", 0]",
        "\"scheme\": \"wss\"",
        "\"root_path\": \"/api\"",
        "\"path\": \"/api/ws\"",
    ] {
        assert!(frames.contains(text), "{text}: {frames}");
    }
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n";

/// The same in version 2, with what follows the addresses.
fn v2(command: u8, tlvs: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0x01, 0xbb];
    let length = (addresses.len() + tlvs.len()) as u16;
    let start = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, 0x11]].concat();
    [&start[..], &length.to_be_bytes(), &addresses, tlvs].concat()
}

const GET: &[u8] = b"GET /scope HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn the_proxy_protocol_says_who_has_connected() {
    let server = Server::start(options().flag("--proxy-protocol"));
    let authority = [&[0x02, 0, 11][..], b"example.org", &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    for (header, client, at, scheme) in [
        (V1.to_vec(), json!(["192.0.2.1", 4711]), json!(["192.0.2.2", 443]), "http"),
        (v2(1, &[]), json!(["192.0.2.1", 4711]), json!(["192.0.2.2", 443]), "http"),
        (v2(1, &authority), json!(["192.0.2.1", 4711]), json!(["example.org", 443]), "https"),
    ] {
        // At once, then byte by byte.
        for apart in [false, true] {
            let mut connection = server.connect();
            match apart {
                false => connection.send([&header[..], GET].concat()),
                true => connection.send_split(header.chunks(1).chain([GET])),
            };
            // The second request of the connection has the same client.
            for _ in 0..2 {
                let told: Value =
                    serde_json::from_str(&connection.response().expect(200).text()).expect("JSON");
                assert_eq!(
                    (&told["client"], &told["server"], &told["scheme"]),
                    (&client, &at, &json!(scheme))
                );
                connection.send(GET);
            }
        }
    }
    server.wait_stdout_line("192.0.2.1 - ");
    for header in [v2(0, &[]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut connection = server.connect();
        connection.send([&header[..], GET].concat());
        let told: Value = serde_json::from_str(&connection.response().expect(200).text()).expect("JSON");
        assert_eq!(told["client"][0], json!("127.0.0.1"));
    }
}

#[test]
fn the_connections_id_begins_the_ids_of_its_requests() {
    let server = Server::start(options().flag("--proxy-protocol").with("--request-id", "x-request-id"));
    let id_of = |answer: &pounce_tests::Response| answer.header("x-request-id").expect("an id").to_owned();
    let mut connection = server.connect();
    connection.send([&v2(1, &[&[0x05, 0, 6][..], b"ID:4a/"].concat())[..], GET].concat());
    let first = id_of(&connection.response().expect(200));
    connection.send(GET);
    let second = id_of(&connection.response().expect(200));
    for id in [&first, &second] {
        let number = id.strip_prefix("ID:4a/-").expect("it begins with the connection's");
        assert!(number.parse::<u64>().is_ok(), "{id}");
    }
    assert_ne!(first, second);
    // What cannot stand in a field is ignored.
    for unsound in [&b"a\r\nb"[..], b"", b"\xff", &[b'a'; 129]] {
        let tlv = [&[0x05, 0, unsound.len() as u8][..], unsound].concat();
        let mut connection = server.connect();
        connection.send([&v2(1, &tlv)[..], GET].concat());
        assert_eq!(id_of(&connection.response().expect(200)).len(), 32);
    }
}

#[test]
fn a_client_behind_the_proxy_protocol_is_no_trusted_proxy() {
    let server = Server::start(options().flag("--proxy-protocol"));
    let mut connection = server.connect();
    connection.send([V1, format!("GET /scope HTTP/1.1\r\nHost: test\r\n{ALL}\r\n").as_bytes()].concat());
    let told: Value = serde_json::from_str(&connection.response().expect(200).text()).expect("JSON");
    assert_eq!((&told["client"], &told["scheme"]), (&json!(["192.0.2.1", 4711]), &json!("http")));
}

#[test]
fn the_proxy_protocol_comes_before_tls_and_http_2() {
    let server = Server::start(options().flag("--proxy-protocol").tls());
    let mut socket = std::net::TcpStream::connect(server.address()).expect("it listens");
    std::io::Write::write_all(&mut socket, &v2(1, &[])).expect("it reads");
    let config = server.tls().trust().config();
    let stream = TlsStream::over(socket, &config, "localhost").expect("it is trusted");
    let mut connection = Client::tls(stream);
    connection.send(GET);
    let told: Value = serde_json::from_str(&connection.response().expect(200).text()).expect("JSON");
    assert_eq!((&told["client"], &told["scheme"]), (&json!(["192.0.2.1", 4711]), &json!("https")));
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let server = Server::start(options().flag("--proxy-protocol").with("--timeout-header", "300ms"));
    let mut oversize = v2(1, &[]);
    oversize[14..16].copy_from_slice(&[0xff, 0xff]);
    let mut malformed = v2(1, &[2, 0, 9]);
    malformed[12] = 0x31;
    for bytes in [GET.to_vec(), oversize, malformed, v2(1, &[2, 0, 9]), b"PROXY TCP4 1 2 3 4\r\n".to_vec()] {
        let mut connection = server.connect();
        let _ = connection.try_send(&bytes);
        connection.expect_closed();
    }
    // One that is cut off has as long as a request's head.
    for bytes in [&V1[..V1.len() - 1], &v2(1, &[])[..20], b"P", b""] {
        let mut connection = server.connect();
        connection.send(bytes);
        connection.expect_closed();
    }
    let mut connection = server.connect();
    connection.send([V1, GET].concat());
    connection.response().expect(200);
}

#[test]
fn who_is_not_trusted_cannot_use_the_proxy_protocol() {
    let options = options().flag("--proxy-protocol").with("--forwarded-allow-ips", "10.0.0.1");
    let server = Server::start(options);
    for header in [V1.to_vec(), v2(1, &[])] {
        let mut connection = server.connect();
        connection.send([&header[..], GET].concat());
        assert_eq!(connection.response().status, 400);
    }
    server.get("/scope").expect(200);
}
