//! Sessions resumed by tickets: on the worker that made them, on any other, and not if the settings that
//! verified them have changed.

use pounce_tests::pki::{Authority, write};
use pounce_tests::secured::{NAME, Tls};
use pounce_tests::tls::{TlsStream, Trust, has_openssl};
use pounce_tests::{Client, Mode, Options, Server, eventually};
use rcgen::DnType;
use rustls::ClientConfig;
use std::collections::BTreeSet;
use std::io;
use std::process::Command;
use std::sync::Arc;

/// One request on a new connection: whether it resumed a session, and the answer. The data received
/// by then includes the tickets.
fn ask(server: &Server, config: &Arc<ClientConfig>, target: &str) -> io::Result<(bool, String)> {
    let stream = TlsStream::connect(server.address(), config, NAME)?;
    let resumed = stream.is_resumed();
    let mut client = Client::tls(stream);
    client.try_send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))?;
    client.try_has_more()?;
    Ok((resumed, client.response().expect(200).text()))
}

fn resumes(server: &Server, config: &Arc<ClientConfig>) -> bool {
    ask(server, config, "/pid").expect("a handshake").0
}

fn versions(trust: &Trust) -> [Trust; 2] {
    [trust.clone().only_tls12(), trust.clone().only_tls13()]
}

#[test]
fn a_session_goes_on_by_its_ticket() {
    let server = Server::start(Options::app("transport:app").tls());
    for trust in versions(&server.tls().trust()) {
        let config = trust.config();
        assert!(!resumes(&server, &config), "nothing to resume yet");
        for number in 0..10 {
            assert!(resumes(&server, &config), "the {number}th connection, {config:?}");
        }
        assert!(!resumes(&server, &trust.config()), "another client's session");
    }
}

#[test]
fn a_session_goes_on_at_whichever_worker_process() {
    let server = Server::start(Options::app("workers:app").workers(Mode::Process, 2).tls());
    for trust in versions(&server.tls().trust()) {
        let config = trust.config();
        assert!(!ask(&server, &config, "/who/0").expect("a handshake").0);
        let mut seen = BTreeSet::new();
        eventually("both workers have answered", || {
            // Simultaneously, so that both workers answer.
            let streams: Vec<_> = (0..4)
                .map(|_| TlsStream::connect(server.address(), &config, NAME).expect("a handshake"))
                .collect();
            let resumed: Vec<_> = streams.iter().map(TlsStream::is_resumed).collect();
            let mut clients: Vec<_> = streams.into_iter().map(Client::tls).collect();
            for client in &mut clients {
                client.get("/who/5");
            }
            seen.extend(clients.into_iter().map(|mut client| client.response().expect(200).text()));
            assert!(resumed.contains(&true), "none of {resumed:?} was resumed");
            (seen.len() == 2).then_some(())
        });
        for _ in 0..20 {
            let (resumed, worker) = ask(&server, &config, "/who/5").expect("a handshake");
            assert!(resumed, "not resumed by {worker} of {seen:?}");
        }
    }
}

#[test]
fn a_session_goes_on_at_a_worker_that_was_started_later() {
    let mut server = Server::start(Options::app("workers:app").workers(Mode::Process, 2).tls());
    let config = server.tls().trust().config();
    resumes(&server, &config);
    let before = server.wait_workers(2, &BTreeSet::new());
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_stderr("Reloaded");
    server.wait_workers(2, &before);
    assert!(resumes(&server, &config), "a reload has made the ticket worthless");
    assert!(server.is_running());
}

#[test]
fn a_session_of_another_server_does_not_go_on() {
    let tls = Tls::default();
    let trust = tls.trust();
    let options = Options::app("transport:app").with("--ssl-certfile", tls.certificate());
    let other = Server::start(options.with("--ssl-keyfile", tls.key()));
    let server = Server::start(Options::app("transport:app").tls_as(tls));
    for trust in versions(&trust) {
        let config = trust.config();
        assert!(!resumes(&server, &config));
        assert!(!resumes(&other, &config), "a ticket of another server");
    }
}

#[test]
fn a_session_of_a_client_goes_on_with_its_certificate() {
    let clients = Authority::root("Authority of clients");
    let tls = Tls::default().showing(&clients.client("alice"));
    let ca = write(tls.folder(), "clients.pem", &clients.pem());
    let options = Options::app("transport:app").tls_as(tls).with("--ssl-cert-reqs", "required");
    let server = Server::start(options.with("--ssl-ca-certs", ca));
    for trust in versions(&server.tls().trust()) {
        let config = trust.config();
        for resumed in [false, true, true] {
            let (is_resumed, text) = ask(&server, &config, "/tls").expect("a handshake");
            assert_eq!(is_resumed, resumed);
            assert!(text.contains("CN=alice"), "{text}");
        }
    }
}

#[test]
fn a_session_does_not_go_on_when_the_authorities_have_changed() {
    let clients = Authority::root("Authority of clients");
    let tls = Tls::default().showing(&clients.client("alice"));
    let ca = write(tls.folder(), "clients.pem", &clients.pem());
    let options = Options::app("transport:app").tls_as(tls).with("--ssl-cert-reqs", "required");
    let server = Server::start(options.with("--ssl-ca-certs", &ca));
    let [older, newer] = versions(&server.tls().trust()).map(|trust| trust.config());
    for config in [&older, &newer] {
        assert!(!resumes(&server, config));
        assert!(resumes(&server, config));
    }
    let both = format!("{}{}", clients.pem(), Authority::root("Another authority").pem());
    write(server.tls().folder(), "clients.pem", &both);
    // A client without a session makes the server read the files again.
    eventually("the authorities are read again", || {
        server.get("/hello").expect(200);
        server.stderr().contains("read again").then_some(())
    });
    for config in [&older, &newer] {
        assert!(!resumes(&server, config), "a session that was verified by other authorities");
        assert!(resumes(&server, config));
    }
}

#[test]
fn a_session_does_not_go_on_when_its_certificate_is_revoked() {
    let clients = Authority::root("Authority of clients");
    let tls = Tls::default();
    let ca = write(tls.folder(), "clients.pem", &clients.pem());
    let list = write(tls.folder(), "revoked.crl", &clients.revocations(&[]));
    let options = Options::app("transport:app").tls_as(tls).with("--ssl-cert-reqs", "required");
    let server = Server::start(options.with("--ssl-ca-certs", ca).with("--ssl-crl", list));
    let showing = |serial| clients.client_with(&[(DnType::CommonName, "somebody")], serial);
    let trust = server.tls().trust().showing(&showing(41));
    let [older, newer] = versions(&trust).map(|trust| trust.config());
    for config in [&older, &newer] {
        assert!(!resumes(&server, config));
        assert!(resumes(&server, config));
    }
    write(server.tls().folder(), "revoked.crl", &clients.revocations(&[41]));
    let good = server.tls().trust().showing(&showing(42)).config();
    eventually("the list is read again", || {
        ask(&server, &good, "/hello").expect("it is not revoked");
        server.stderr().contains("read again").then_some(())
    });
    for config in [&older, &newer] {
        let error = ask(&server, config, "/hello").expect_err("it is revoked").to_string();
        assert!(error.contains("CertificateRevoked"), "{error}");
    }
    ask(&server, &good, "/hello").expect("it is not revoked");
}

#[test]
fn openssl_resumes_at_either_worker_process() {
    if !has_openssl() {
        return;
    }
    let server = Server::start(Options::app("workers:app").workers(Mode::Process, 2).tls());
    for version in ["-tls1_2", "-tls1_3"] {
        let session = server.tls().folder().join(format!("session{version}"));
        for number in 0..10 {
            let ask = "(printf 'GET /who/1 HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n\\r\\n'; sleep 0.3) | \
                       openssl s_client -servername localhost \"$@\" 2>&1";
            let mut command = Command::new("sh");
            command.args(["-c", ask, "sh", version, "-connect", &server.address().to_string(), "-sess_out"]);
            command.arg(&session);
            if number > 0 {
                command.arg("-sess_in").arg(&session);
            }
            let said = pounce_tests::python::run(&mut command);
            let wanted = if number > 0 { "Reused, TLSv1" } else { "New, TLSv1" };
            assert!(said.contains(wanted), "{version}, connection {number}: {said}");
        }
    }
}
