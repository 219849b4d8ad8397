//! The results of a handshake: the version, the protocol, and the certificate.

use pounce_tests::pki::Authority;
use pounce_tests::secured::{NAME, Tls};
use pounce_tests::tls::{TlsStream, Trust};
use pounce_tests::{Client, Options, Server};
use rustls::ProtocolVersion;
use std::io;
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("transport:app").tls()))
}

fn connect_to(server: &Server, trust: &Trust) -> io::Result<TlsStream> {
    TlsStream::connect(server.address(), &trust.config(), NAME)
}

/// The handshake fails, and the server sends the reason as an alert.
fn refuses(server: &Server, trust: &Trust, alert: &str) {
    let error = connect_to(server, trust).expect_err("the handshake must fail").to_string();
    assert!(error.contains("alert") && error.contains(alert), "{alert} wanted: {error}");
    server.get("/hello").expect(200);
}

fn serves(stream: TlsStream) {
    assert_eq!(Client::tls(stream).get("/hello").response().expect(200).text(), "hello");
}

#[test]
fn keys_are_exchanged_so_that_a_quantum_computer_does_not_help_where_the_client_can() {
    let stream = connect_to(server(), &server().tls().trust()).expect("a handshake");
    assert_eq!(stream.key_exchange(), "X25519MLKEM768");
    serves(stream);
}

#[test]
fn both_versions_are_supported_and_the_newer_one_is_preferred() {
    let trust = server().tls().trust();
    for (trust, version) in [
        (trust.clone(), ProtocolVersion::TLSv1_3),
        (trust.clone().only_tls13(), ProtocolVersion::TLSv1_3),
        (trust.only_tls12(), ProtocolVersion::TLSv1_2),
    ] {
        let stream = connect_to(server(), &trust).expect("a handshake");
        assert_eq!(stream.version(), version);
        serves(stream);
    }
}

#[test]
fn the_scope_names_the_version_and_the_cipher_suite() {
    let trust = server().tls().trust();
    for (trust, version, suites) in
        [(trust.clone().only_tls13(), 0x0304, 0x1301..=0x1303), (trust.only_tls12(), 0x0303, 0xc02b..=0xcca9)]
    {
        let stream = connect_to(server(), &trust).expect("a handshake");
        let tls = Client::tls(stream).get("/tls").response().expect(200).json();
        assert_eq!(tls["tls_version"], version);
        assert!(suites.contains(&tls["cipher_suite"].as_u64().expect("a number")), "{tls}");
    }
}

#[test]
fn a_least_version_refuses_what_is_older() {
    let server = Server::start(Options::app("transport:app").tls().with("--ssl-min-version", "1.3"));
    refuses(&server, &server.tls().trust().only_tls12(), "ProtocolVersion");
    serves(connect_to(&server, &server.tls().trust().only_tls13()).expect("a handshake"));
}

#[test]
fn a_protocol_is_agreed_on_by_alpn() {
    let trust = server().tls().trust();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["spdy/3", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = connect_to(server(), &trust.clone().alpn(offered)).expect("a handshake");
        assert_eq!(stream.alpn().as_deref(), agreed, "{offered:?}");
        if agreed != Some("h2") {
            serves(stream);
        }
    }
}

#[test]
fn a_client_without_a_protocol_in_common_gets_an_alert() {
    refuses(server(), &server().tls().trust().alpn(&["spdy/3"]), "NoApplicationProtocol");
}

#[test]
fn a_choice_of_one_version_of_http_is_what_is_agreed_on() {
    let one = Server::start(Options::app("transport:app").tls().with("--http", "1"));
    let stream = connect_to(&one, &one.tls().trust().alpn(&["h2", "http/1.1"])).expect("a handshake");
    assert_eq!(stream.alpn().as_deref(), Some("http/1.1"));
    serves(stream);
    refuses(&one, &one.tls().trust().alpn(&["h2"]), "NoApplicationProtocol");

    let two = Server::start(Options::app("transport:app").tls().with("--http", "2"));
    let stream = connect_to(&two, &two.tls().trust().alpn(&["http/1.1", "h2"])).expect("a handshake");
    assert_eq!(stream.alpn().as_deref(), Some("h2"));
    let error = connect_to(&two, &two.tls().trust().alpn(&["http/1.1"])).expect_err("nothing in common");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn the_protocol_of_alpn_is_used_without_a_guess() {
    let trust = server().tls().trust();
    let stream = connect_to(server(), &trust.clone().alpn(&["h2"])).expect("a handshake");
    let mut client = Client::tls(stream);
    client.get("/hello");
    let answer = client.rest();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1"), "HTTP/1.1 on a connection for HTTP/2");
    let stream = connect_to(server(), &trust.alpn(&["http/1.1"])).expect("a handshake");
    let mut client = Client::tls(stream);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let answer = client.rest();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "HTTP/2 on a connection for HTTP/1.1");
}

/// A server with a certificate for each of several names, from one authority.
fn with_names(names: &[&[&str]]) -> (Server, Vec<Vec<u8>>) {
    let authority = Authority::root("Authority of names");
    let identities: Vec<_> = names.iter().map(|names| authority.server(names)).collect();
    let tls = Tls::of(&authority, &identities[0]);
    let mut pairs = Vec::new();
    for (number, identity) in identities.iter().enumerate().skip(1) {
        pairs.push(identity.write(tls.folder(), &format!("more-{number}")).pair());
    }
    let options = Options::app("transport:app").tls_as(tls);
    let options = pairs.iter().fold(options, |options, pair| options.with("--ssl-sni", pair));
    (Server::start(options), identities.iter().map(|identity| identity.der().to_vec()).collect())
}

#[test]
fn the_certificate_is_that_of_the_name_that_is_asked_for() {
    let names: [&[&str]; 4] =
        [&["localhost", "127.0.0.1"], &["a.test", "other.test"], &["*.wild.test"], &["exact.wild.test"]];
    let (server, certificates) = with_names(&names);
    let config = server.tls().trust().config();
    for (name, which) in [
        ("localhost", 0),
        // Clients do not send an address as a name.
        ("127.0.0.1", 0),
        ("a.test", 1),
        ("other.test", 1),
        ("A.TEST", 1),
        ("any.wild.test", 2),
    ] {
        let stream = TlsStream::connect(server.address(), &config, name).expect("a handshake");
        assert!(stream.certificate() == certificates[which], "{name} is shown another certificate");
        serves(stream);
    }
    let stream = TlsStream::connect(server.address(), &config, "exact.wild.test").expect("a handshake");
    assert!(stream.certificate() != certificates[0], "the default for a name that has its own");
}

#[test]
fn a_name_that_no_certificate_is_for_is_shown_the_default() {
    let (server, _) = with_names(&[&["localhost"], &["a.test"], &["*.wild.test"]]);
    let config = server.tls().trust().config();
    for name in ["unknown.test", "wild.test", "a.b.wild.test", "b.a.test"] {
        let error = TlsStream::connect(server.address(), &config, name).expect_err("not its certificate");
        assert!(error.to_string().contains("localhost"), "{name}: {error}");
    }
}

#[test]
fn the_scope_has_the_certificate_that_was_shown() {
    let (server, _) = with_names(&[&["localhost"], &["a.test"]]);
    let config = server.tls().trust().config();
    let shown = |name| {
        let stream = TlsStream::connect(server.address(), &config, name).expect("a handshake");
        let tls = Client::tls(stream).get("/tls").response().expect(200).json();
        tls["server_cert"].as_str().expect("PEM").split_whitespace().collect::<String>()
    };
    let file = |name: &str| {
        let text = std::fs::read_to_string(server.tls().folder().join(name)).expect("it was written");
        text.split_whitespace().collect::<String>()
    };
    assert_eq!(shown("localhost"), file("server.pem"));
    assert_eq!(shown("a.test"), file("more-1.pem"));
}

#[test]
fn a_chain_is_shown_with_its_intermediate_certificates() {
    let root = Authority::root("A root");
    let between = root.intermediate("Between").intermediate("Nearer");
    let tls = Tls::of(&root, &between.server(&[NAME]));
    let server = Server::start(Options::app("transport:app").tls_as(tls));
    server.get("/hello").expect(200);
}
