//! Client certificates: when the server asks for one, whom it accepts, and the application's scope.

use pounce_tests::pki::{Authority, Identity, write};
use pounce_tests::secured::{NAME, Tls};
use pounce_tests::tls::{TlsStream, Trust, has_openssl};
use pounce_tests::{Client, Options, Server, Transport, over_transport};
use rcgen::DnType;
use serde_json::{Value, json};
use std::io;
use std::process::Command;

/// An authority of clients, and a server that trusts it.
struct Known {
    clients: Authority,
    server: Server,
}

impl Known {
    fn new(which: &str, revoked: Option<&[u64]>) -> Self {
        let clients = Authority::root("Authority of clients");
        let list = revoked.map(|serials| clients.revocations(serials));
        Self::with_lists(which, clients, list.as_deref())
    }

    /// Adds a file of revocation lists with this text.
    fn with_lists(which: &str, clients: Authority, lists: Option<&str>) -> Self {
        let tls = Tls::default();
        let ca = write(tls.folder(), "clients.pem", &clients.pem());
        let list = lists.map(|lists| write(tls.folder(), "revoked.crl", lists));
        let options = Options::app("transport:app").tls_as(tls).with("--ssl-cert-reqs", which);
        let options = options.with("--ssl-ca-certs", ca);
        let options = list.into_iter().fold(options, |options, list| options.with("--ssl-crl", list));
        Self { clients, server: Server::start(options) }
    }

    fn trust(&self) -> Trust {
        self.server.tls().trust()
    }

    /// The application's `tls` extension. A refusal may show only while reading: in TLS 1.3 the
    /// client's side of the handshake is complete before the server has checked the certificate.
    fn asks(&self, trust: &Trust) -> io::Result<Value> {
        let stream = TlsStream::connect(self.server.address(), &trust.config(), NAME)?;
        let mut client = Client::tls(stream);
        client.try_send("GET /tls HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        client.try_has_more()?;
        Ok(client.response().expect(200).json())
    }

    /// A client is accepted with either version.
    fn lets_in(&self, trust: &Trust) -> Value {
        let both = [trust.clone().only_tls12(), trust.clone().only_tls13()].map(|trust| {
            let mut seen =
                self.asks(&trust).unwrap_or_else(|error| panic!("{error}\n{}", self.server.stderr()));
            for key in ["tls_version", "cipher_suite"] {
                seen[key].take();
            }
            seen
        });
        assert_eq!(both[0], both[1], "TLS 1.2 and 1.3 differ");
        both[1].clone()
    }

    /// A client is refused with either version, by an alert.
    fn refuses(&self, trust: &Trust, alert: &str) {
        for trust in [trust.clone().only_tls12(), trust.clone().only_tls13()] {
            let error = self.asks(&trust).expect_err("it must be refused").to_string();
            assert!(error.contains("alert") && error.contains(alert), "{alert} wanted: {error}");
        }
    }
}

fn pem_of(identity: &Identity) -> String {
    identity.pem().split_whitespace().collect()
}

fn chain(tls: &Value) -> Vec<String> {
    let chain = tls["client_cert_chain"].as_array().expect("a list");
    chain.iter().map(|pem| pem.as_str().expect("PEM").split_whitespace().collect()).collect()
}

#[test]
fn clients_without_a_certificate_are_refused_where_one_is_required() {
    let known = Known::new("required", None);
    known.refuses(&known.trust(), "ertificate");
    known.lets_in(&known.trust().showing(&known.clients.client("alice")));
}

#[test]
fn clients_may_show_one_where_it_is_optional() {
    let known = Known::new("optional", None);
    let tls = known.lets_in(&known.trust());
    assert_eq!((&tls["client_cert_chain"], &tls["client_cert_name"]), (&json!([]), &Value::Null));
    let alice = known.clients.client("alice");
    let tls = known.lets_in(&known.trust().showing(&alice));
    assert_eq!((chain(&tls), &tls["client_cert_name"]), (vec![pem_of(&alice)], &json!("CN=alice")));
    // A certificate that is shown must be valid.
    let stranger = Authority::root("Somebody else").client("mallory");
    known.refuses(&known.trust().showing(&stranger), "");
}

#[test]
fn clients_are_not_asked_where_none_is_wanted() {
    let known = Known::new("none", None);
    let tls = known.lets_in(&known.trust().showing(&Authority::root("Anybody").client("mallory")));
    assert_eq!((&tls["client_cert_chain"], &tls["client_cert_name"]), (&json!([]), &Value::Null));
}

#[test]
fn an_authority_that_is_not_known_is_refused() {
    let known = Known::new("required", None);
    let stranger = Authority::root("Authority of clients").client("alice");
    // The same name, but another authority.
    known.refuses(&known.trust().showing(&stranger), "");
    let self_made = Authority::root("alice");
    known.refuses(&known.trust().showing(&self_made.client("alice")), "");
    known.lets_in(&known.trust().showing(&known.clients.client("alice")));
}

#[test]
fn a_servers_certificate_is_no_clients() {
    let known = Known::new("required", None);
    known.refuses(&known.trust().showing(&known.clients.server(&["client.test"])), "");
}

#[test]
fn a_revoked_certificate_is_refused_and_others_are_not() {
    let known = Known::new("required", Some(&[40, 41]));
    let named = |serial| known.clients.client_with(&[(DnType::CommonName, "somebody")], serial);
    known.refuses(&known.trust().showing(&named(41)), "CertificateRevoked");
    known.refuses(&known.trust().showing(&named(40)), "CertificateRevoked");
    known.lets_in(&known.trust().showing(&named(42)));
}

#[test]
fn a_client_of_a_revoked_intermediate_authority_is_refused() {
    let clients = Authority::root("Authority of clients");
    let revoked = clients.intermediate_with("Revoked", 60);
    let good = clients.intermediate_with("Good", 61);
    // One authority has no list.
    let unlisted = clients.intermediate_with("Unlisted", 62);
    let lists = [clients.revocations(&[60]), revoked.revocations(&[]), good.revocations(&[41])].concat();
    let known = Known::with_lists("required", clients, Some(&lists));
    let trust = |authority: &Authority, serial| {
        known.trust().showing(&authority.client_with(&[(DnType::CommonName, "somebody")], serial))
    };
    known.refuses(&trust(&revoked, 40), "CertificateRevoked");
    known.refuses(&trust(&good, 41), "CertificateRevoked");
    known.refuses(&trust(&unlisted, 42), "");
    known.lets_in(&trust(&good, 43));
}

#[test]
fn authorities_without_a_revocation_list_are_named_at_the_start() {
    let clients = Authority::root("Authority of clients");
    let list = Authority::root("Another authority").revocations(&[]);
    let known = Known::with_lists("optional", clients, Some(&list));
    let said = known.server.stderr();
    assert!(said.contains("no revocation list of CN=Authority of clients"), "{said}");
    known.refuses(&known.trust().showing(&known.clients.client("alice")), "");
    known.lets_in(&known.trust());
}

#[test]
fn the_latest_list_of_an_authority_counts_wherever_it_stands() {
    let clients = Authority::root("Authority of clients");
    let lists =
        [clients.revocations(&[]), clients.later_revocations(&[41]), clients.revocations(&[])].concat();
    let known = Known::with_lists("required", clients, Some(&lists));
    let named = |serial| known.clients.client_with(&[(DnType::CommonName, "somebody")], serial);
    known.refuses(&known.trust().showing(&named(41)), "CertificateRevoked");
    known.lets_in(&known.trust().showing(&named(42)));
}

#[test]
fn a_client_of_an_intermediate_authority_shows_its_chain() {
    let known = Known::new("required", None);
    let between = known.clients.intermediate("Between");
    let alice = between.client("alice");
    let tls = known.lets_in(&known.trust().showing(&alice));
    let wanted: Vec<String> = vec![pem_of(&alice), between.pem().split_whitespace().collect()];
    assert_eq!(chain(&tls), wanted);
}

#[test]
fn the_clients_name_is_written_as_rfc_4514_has_it() {
    let known = Known::new("required", None);
    let name = |parts: &[(DnType, &str)]| {
        let client = known.clients.client_with(parts, 9);
        known.lets_in(&known.trust().showing(&client))["client_cert_name"].clone()
    };
    let parts = [
        (DnType::CountryName, "DE"),
        (DnType::OrganizationName, "Pounce"),
        (DnType::OrganizationalUnitName, "Tests"),
        (DnType::CommonName, "alice"),
    ];
    // The last component comes first.
    assert_eq!(name(&parts), "CN=alice,OU=Tests,O=Pounce,C=DE");
    for (value, written) in [
        ("a, b", r"a\, b"),
        ("a+b", r"a\+b"),
        (r#"a"b"#, r#"a\"b"#),
        (r"a\b", r"a\\b"),
        ("a;b", r"a\;b"),
        ("a<b>", r"a\<b\>"),
        ("#a", r"\#a"),
        (" a ", r"\ a\ "),
        ("a=b", "a=b"),
        ("zoë", "zoë"),
    ] {
        let seen = name(&[(DnType::CommonName, value)]);
        let seen = seen.as_str().expect("text");
        // Section 2.4 lets any character be escaped.
        assert!(
            seen == format!("CN={written}") || unescaped(seen) == format!("CN={value}"),
            "{value:?}: {seen:?}"
        );
        let must = value.chars().filter(|c| ",+\"\\;<>".contains(*c)).count();
        assert!(seen.matches('\\').count() >= must, "{value:?}: {seen:?}");
    }
}

fn unescaped(text: &str) -> String {
    let mut result = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        result.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    result
}

over_transport! { tls_http1 TlsHttp1: the_certificate_is_in_the_scope_of_every_request }
over_transport! { tls_http2 TlsHttp2: the_certificate_is_in_the_scope_of_every_request }

fn the_certificate_is_in_the_scope_of_every_request(transport: Transport) {
    let clients = Authority::root("Authority of clients");
    let tls = Tls::default().showing(&clients.client("alice"));
    let ca = write(tls.folder(), "clients.pem", &clients.pem());
    let options = Options::app("transport:app").tls_as(tls).with("--ssl-cert-reqs", "required");
    let server = Server::start(options.with("--ssl-ca-certs", ca));
    for _ in 0..3 {
        let tls = transport.get(&server, "/tls").expect(200).json();
        assert_eq!((&tls["client_cert_name"], chain(&tls).len()), (&json!("CN=alice"), 1));
    }
}

#[test]
fn a_client_certificate_of_openssl_is_taken() {
    if !has_openssl() {
        return;
    }
    let known = Known::new("required", None);
    let folder = known.server.tls().folder();
    let files = known.clients.client("alice").write(folder, "alice");
    let ca = write(folder, "servers.pem", known.server.tls().authority());
    let mut command = Command::new("sh");
    let ask = "(printf 'GET /tls HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n\\r\\n'; sleep 2) | \
               openssl s_client -quiet -verify_return_error -servername localhost \"$@\"";
    command.args(["-c", ask, "sh", "-connect", &known.server.address().to_string(), "-CAfile"]).arg(ca);
    let answer =
        pounce_tests::python::run(command.arg("-cert").arg(files.certificate).arg("-key").arg(files.key));
    assert!(answer.contains("CN=alice"), "{answer}");
}

#[test]
fn browsers_are_told_to_use_only_https() {
    let server = Server::start(Options::app("raw:app").with("--hsts", "31536000").tls());
    assert_eq!(server.get("/hello").header("strict-transport-security"), Some("max-age=31536000"));
    // In clear text the header would mean nothing, and a note says so.
    let server = Server::start(Options::app("raw:app").with("--hsts", "31536000"));
    assert_eq!(server.get("/hello").header("strict-transport-security"), None);
    server.wait_stderr("hsts (--hsts on the command line) has no effect without a certificate");
}
