//! Certificates that are replaced while in use: the new ones are shown soon, no request is lost, and faulty
//! ones are not used.

use nix::sys::signal::Signal;
use pounce_tests::pki::{Authority, Identity, write};
use pounce_tests::secured::{NAME, Tls};
use pounce_tests::tls::TlsStream;
use pounce_tests::{
    Load, Mode, Options, Server, Transport, TransportLoad, eventually, in_every_mode, over_transport,
};
use rcgen::DnType;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

const KEPT: &str = "the new certificates are not used";

/// An authority, and a server with a certificate of it.
struct Renewed {
    authority: Authority,
    first: Identity,
    server: Server,
}

impl Renewed {
    fn new(options: Options) -> Self {
        let authority = Authority::root("Authority of renewals");
        let first = authority.server(&[NAME]);
        let server = Server::start(options.tls_as(Tls::of(&authority, &first)));
        Self { authority, first, server }
    }

    /// The certificate that a new connection is shown.
    fn shown(&self) -> Vec<u8> {
        let config = self.server.tls().trust().config();
        let stream = TlsStream::connect(self.server.address(), &config, NAME);
        stream.unwrap_or_else(|error| panic!("{error}\n{}", self.server.stderr())).certificate()
    }

    fn wait_shown(&self, identity: &Identity) {
        eventually("the new certificate is shown", || (self.shown() == identity.der()).then_some(()));
    }

    fn put(&self, name: &str, content: &str) {
        write(self.server.tls().folder(), name, content);
    }

    /// Replaces certificate and key.
    fn renew(&self) -> Identity {
        let next = self.authority.server(&[NAME]);
        next.write(self.server.tls().folder(), "server");
        next
    }

    /// Replaces certificate and key, and waits until every new connection is shown the new one.
    fn renew_and_wait(&self) -> Identity {
        let next = self.renew();
        self.wait_shown(&next);
        next
    }

    /// Connects until the log has reported this many faulty files.
    fn wait_kept(&self, count: usize) {
        eventually("the garbage is spoken of", || {
            self.shown();
            (self.server.stderr().matches(KEPT).count() >= count).then_some(())
        });
    }

    /// Connects for a while, so that the server checks the files more than once.
    fn look_for(&self, identity: &Identity, seconds: u64) {
        for _ in 0..seconds * 5 {
            assert!(self.shown() == identity.der(), "another certificate\n{}", self.server.stderr());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn one_worker() -> Renewed {
    Renewed::new(Options::app("transport:app"))
}

#[test]
fn a_new_certificate_is_shown_without_a_restart() {
    let renewed = one_worker();
    assert!(renewed.shown() == renewed.first.der());
    let worker = renewed.server.worker();
    for _ in 0..3 {
        renewed.renew_and_wait();
        assert_eq!(renewed.server.worker(), worker);
    }
}

#[test]
fn a_connection_goes_on_with_the_certificate_that_it_began_with() {
    let renewed = one_worker();
    let mut before = renewed.server.connect();
    let shown = |text: &str| text.split_whitespace().collect::<String>();
    let first = shown(&renewed.first.pem());
    let second = renewed.renew_and_wait();
    let tls = before.get("/tls").response().expect(200).json();
    let server_cert = shown(tls["server_cert"].as_str().expect("PEM"));
    // The scope of an older connection may have either certificate; the connection goes on.
    assert!(server_cert == first || server_cert == shown(&second.pem()), "{server_cert}");
}

#[test]
fn the_scope_of_an_older_connection_has_the_certificate_that_it_was_shown() {
    let renewed = one_worker();
    let mut before = renewed.server.connect();
    let mut cert = || {
        let tls = before.get("/tls").response().expect(200).json();
        tls["server_cert"].as_str().expect("PEM").to_owned()
    };
    let first = cert();
    renewed.renew_and_wait();
    assert_eq!(cert(), first);
}

over_transport! { tls_http1 TlsHttp1: renewals_under_load_fail_no_request }
over_transport! { tls_http2 TlsHttp2: renewals_under_load_fail_no_request }

fn renewals_under_load_fail_no_request(transport: Transport) {
    let mut renewed = Renewed::new(Options::app("transport:app").flag("--no-access-log"));
    let load = TransportLoad::on(&renewed.server, transport, 6);
    load.wait_answered(50);
    for _ in 0..4 {
        renewed.renew_and_wait();
        load.wait_answered(50);
    }
    load.finish();
    renewed.server.sigterm();
    assert_eq!(renewed.server.wait_exit().code, Some(0));
}

in_every_mode! { every_worker_shows_the_new_certificate }

fn every_worker_shows_the_new_certificate(mode: Mode) {
    let renewed = Renewed::new(Options::app("workers:app").workers(mode, 2).flag("--no-access-log"));
    let load = Load::on(&renewed.server, 6);
    load.wait_answered(50);
    let next = renewed.renew_and_wait();
    // Any worker may accept a connection, once all have checked.
    let mut in_a_row = 0;
    eventually("all workers show it", || {
        in_a_row = if renewed.shown() == next.der() { in_a_row + 1 } else { 0 };
        (in_a_row == 50).then_some(())
    });
    load.wait_answered(50);
    load.finish();
}

#[test]
fn an_exchange_of_a_symbolic_link_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::root("Authority of renewals");
    let put = |name: &str| {
        let identity = authority.server(&[NAME]);
        let release = folder.path().join(name);
        fs::create_dir(&release).expect("the folder is writable");
        identity.write(&release, "server");
        // As with mounted secrets: the files are behind a link that is replaced.
        symlink(&release, folder.path().join("next")).expect("links can be made");
        fs::rename(folder.path().join("next"), folder.path().join("current")).expect("writable");
        identity
    };
    let first = put("first");
    let current = folder.path().join("current");
    let options = Options::app("transport:app").with("--ssl-certfile", current.join("server.pem"));
    let server = Server::start(options.with("--ssl-keyfile", current.join("server.key")));
    let trust = Tls::of(&authority, &first).trust().config();
    let shown = || TlsStream::connect(server.address(), &trust, NAME).expect("a handshake").certificate();
    assert!(shown() == first.der());
    let second = put("second");
    eventually("the new certificate is shown", || (shown() == second.der()).then_some(()));
}

#[test]
fn garbage_keeps_the_old_certificate_and_is_logged_once() {
    let renewed = one_worker();
    renewed.put("server.pem", "garbage");
    renewed.wait_kept(1);
    renewed.look_for(&renewed.first, 4);
    let said = renewed.server.stderr();
    assert_eq!(said.matches(KEPT).count(), 1, "{said}");
    assert!(said.contains("server.pem"), "{said}");
}

#[test]
fn each_kind_of_garbage_keeps_the_old_certificate_until_it_is_repaired() {
    let renewed = one_worker();
    let mut current = renewed.renew_and_wait();
    let other = renewed.authority.server(&[NAME]);
    let expired = renewed.authority.expired_server(&[NAME]);
    let half = |text: &str| text[..text.len() / 2].to_owned();
    for (number, (certificate, key)) in [
        (String::new(), current.key_pem()),
        (half(&other.pem()), other.key_pem()),
        (other.pem(), half(&other.key_pem())),
        (other.pem(), current.key_pem()),
        (other.pem(), other.encrypted_key_pem("nobody knows")),
        (expired.pem(), expired.key_pem()),
    ]
    .into_iter()
    .enumerate()
    {
        let before = renewed.server.stderr().matches(KEPT).count();
        renewed.put("server.key", &key);
        renewed.put("server.pem", &certificate);
        renewed.wait_kept(before + 1);
        assert!(renewed.shown() == current.der(), "garbage {number} is shown");
        current = renewed.renew_and_wait();
    }
}

#[test]
fn files_that_are_gone_for_a_while_are_taken_when_they_are_back() {
    let renewed = one_worker();
    let folder = renewed.server.tls().folder().to_owned();
    for name in ["server.pem", "server.key"] {
        fs::remove_file(folder.join(name)).expect("it is there");
    }
    renewed.wait_kept(1);
    renewed.look_for(&renewed.first, 2);
    renewed.renew_and_wait();
}

#[test]
fn a_reload_by_signal_shows_the_new_certificate() {
    for options in [Options::app("workers:app"), Options::app("workers:app").workers(Mode::Process, 2)] {
        let renewed = Renewed::new(options);
        let next = renewed.renew();
        renewed.server.signal(Signal::SIGHUP);
        renewed.server.wait_stderr("Reloaded");
        for _ in 0..20 {
            assert!(renewed.shown() == next.der(), "the old one\n{}", renewed.server.stderr());
        }
    }
}

#[test]
fn a_reload_by_signal_keeps_the_old_certificate_when_the_new_one_is_garbage() {
    for options in [Options::app("workers:app"), Options::app("workers:app").workers(Mode::Process, 2)] {
        let renewed = Renewed::new(options);
        let before = renewed.server.who(1)[0].0.clone();
        renewed.put("server.pem", "garbage");
        renewed.server.signal(Signal::SIGHUP);
        renewed.server.wait_stderr("Reloaded");
        renewed.look_for(&renewed.first, 1);
        assert!(renewed.server.stderr().contains(KEPT), "{}", renewed.server.stderr());
        let next = renewed.renew();
        renewed.server.signal(Signal::SIGHUP);
        renewed.server.wait_stderr_times("Reloaded", 2);
        for _ in 0..10 {
            assert!(renewed.shown() == next.der(), "the old one\n{}", renewed.server.stderr());
        }
        assert!(!before.is_empty());
    }
}

#[test]
fn a_reload_by_signal_keeps_the_old_certificate_when_the_new_one_has_expired() {
    for options in [Options::app("workers:app"), Options::app("workers:app").workers(Mode::Process, 2)] {
        let renewed = Renewed::new(options);
        renewed.authority.expired_server(&[NAME]).write(renewed.server.tls().folder(), "server");
        renewed.server.signal(Signal::SIGHUP);
        renewed.server.wait_stderr("Reloaded");
        renewed.look_for(&renewed.first, 2);
        renewed.renew_and_wait();
    }
}

#[test]
fn a_worker_that_comes_back_does_not_show_a_renewal_that_has_expired() {
    let renewed = Renewed::new(Options::app("workers:app").workers(Mode::Process, 2));
    let server = &renewed.server;
    let (dead, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    renewed.authority.expired_server(&[NAME]).write(server.tls().folder(), "server");
    client.get("/killed");
    client.rest();
    server.wait_workers(2, &BTreeSet::from([dead]));
    renewed.look_for(&renewed.first, 2);
}

#[test]
fn a_worker_that_is_killed_while_the_files_are_garbage_comes_back() {
    let renewed = Renewed::new(Options::app("workers:app").workers(Mode::Process, 2));
    let server = &renewed.server;
    renewed.put("server.pem", "garbage");
    renewed.put("server.key", "garbage");
    renewed.look_for(&renewed.first, 2);
    let (dead, mut client) = server.client_of_each(2).pop_first().expect("two workers");
    client.get("/killed");
    client.rest();
    server.wait_workers(2, &BTreeSet::from([dead]));
    renewed.look_for(&renewed.first, 1);
    let next = renewed.renew_and_wait();
    eventually("both show it", || (0..20).all(|_| renewed.shown() == next.der()).then_some(()));
}

#[test]
fn a_certificate_that_had_expired_before_does_not_hold_up_the_renewal_of_another() {
    let authority = Authority::root("Authority of renewals");
    let first = authority.server(&[NAME]);
    let tls = Tls::of(&authority, &first);
    let late = authority.expired_server(&["a.test"]).write(tls.folder(), "late");
    let server = Server::start(Options::app("transport:app").tls_as(tls).with("--ssl-sni", late.pair()));
    let renewed = Renewed { authority, first, server };
    for _ in 0..2 {
        renewed.renew_and_wait();
    }
    assert!(!renewed.server.stderr().contains(KEPT), "{}", renewed.server.stderr());
}

#[test]
fn a_server_does_not_start_with_garbage_but_another_name_may_be_renewed() {
    let authority = Authority::root("Authority of renewals");
    let tls = Tls::of(&authority, &authority.server(&[NAME]));
    let folder = tls.folder().to_owned();
    let pair = authority.server(&["a.test"]).write(&folder, "more").pair();
    let server = Server::start(Options::app("transport:app").tls_as(tls).with("--ssl-sni", pair));
    let next = authority.server(&["a.test", "b.test"]);
    next.write(&folder, "more");
    let config = server.tls().trust().config();
    eventually("the new names are known", || {
        let stream = TlsStream::connect(server.address(), &config, "b.test").ok()?;
        (stream.certificate() == next.der()).then_some(())
    });
}

/// A server that asks clients for certificates of its authority, with a list that revokes the serial number 40.
fn with_revocations(options: Options) -> Renewed {
    let authority = Authority::root("Authority of renewals");
    let first = authority.server(&[NAME]);
    let tls = Tls::of(&authority, &first);
    let ca = write(tls.folder(), "clients.pem", &authority.pem());
    let list = write(tls.folder(), "revoked.crl", &authority.revocations(&[40]));
    let options = options.tls_as(tls).with("--ssl-cert-reqs", "optional").with("--ssl-ca-certs", ca);
    let server = Server::start(options.with("--ssl-crl", list));
    Renewed { authority, first, server }
}

impl Renewed {
    /// Whether a client with a serial number is accepted.
    fn lets_in(&self, serial: u64) -> bool {
        let client = self.authority.client_with(&[(DnType::CommonName, "somebody")], serial);
        // The server's refusal ends the handshake of TLS 1.2.
        let config = self.server.tls().trust().only_tls12().showing(&client).config();
        TlsStream::connect(self.server.address(), &config, NAME).is_ok()
    }
}

#[test]
fn an_expired_revocation_list_is_no_renewal_and_its_successor_is() {
    let alone = (Options::app("workers:app"), 1);
    for (options, workers) in [alone, (Options::app("workers:app").workers(Mode::Process, 2), 2)] {
        let renewed = with_revocations(options);
        let expired = SystemTime::now() - Duration::from_secs(60);
        renewed.put("revoked.crl", &renewed.authority.revocations_until(&[], expired));
        renewed.server.signal(Signal::SIGHUP);
        renewed.server.wait_stderr("Reloaded");
        eventually("the list is spoken of", || {
            renewed.shown();
            renewed.server.stderr().contains("the revocation list of CN=Authority of renewals").then_some(())
        });
        let said = renewed.server.stderr();
        assert!(said.contains("revoked.crl expired on ") && said.contains("openssl ca -gencrl"), "{said}");
        for _ in 0..5 {
            assert!(!renewed.lets_in(40), "the list in use is forgotten");
            assert!(renewed.lets_in(41), "the list in use counts");
        }
        renewed.put("revoked.crl", &renewed.authority.revocations(&[41]));
        // Each worker looks for itself, when a connection comes.
        eventually("every worker has the successor", || {
            renewed.shown();
            (renewed.server.stderr().matches("the certificates were read again").count() == workers)
                .then_some(())
        });
        for _ in 0..5 {
            assert!(!renewed.lets_in(41));
            assert!(renewed.lets_in(40));
        }
    }
}

#[test]
fn clients_are_refused_once_the_list_in_use_has_expired_and_certificates_can_still_be_renewed() {
    let renewed = with_revocations(Options::app("workers:app").workers(Mode::Process, 1));
    // On a slow machine a list may expire before it is read, which is no renewal.
    let mut seconds = 3;
    eventually("a list that expires soon is used", || {
        let end = SystemTime::now() + Duration::from_secs(seconds);
        seconds *= 2;
        renewed.put("revoked.crl", &renewed.authority.revocations_until(&[41], end));
        eventually("the list is read", || {
            let refused = renewed.server.stderr().contains(KEPT);
            (!renewed.lets_in(41) || refused).then_some(())
        });
        (!renewed.server.stderr().contains(KEPT) && renewed.lets_in(40)).then_some(())
    });
    eventually("its time is over", || (!renewed.lets_in(40)).then_some(()));
    eventually("the log says so", || {
        renewed.shown();
        renewed.server.stderr().contains("clients with certificates of that issuer are refused").then_some(())
    });
    renewed.renew_and_wait();
    assert!(!renewed.lets_in(40));
    renewed.put("revoked.crl", &renewed.authority.revocations(&[41]));
    eventually("the successor is used", || renewed.lets_in(40).then_some(()));
}
