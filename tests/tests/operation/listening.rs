//! Where the server listens: ports, addresses, Unix sockets and inherited descriptors.

use nix::sys::signal::Signal;
use pounce_tests::{Client, Options, Server, eventually};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::TempDir;

fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pounce.sock");
    (directory, path)
}

fn on_unix(path: &Path) -> Options {
    Options::app("raw:app").without_port().with("--uds", path)
}

fn answers(path: &Path) {
    let mut client = Client::unix(path);
    assert_eq!(client.get("/hello").response().expect(200).text(), "hello");
}

#[test]
fn port_zero_is_any_port_and_is_printed() {
    let servers = [Server::start(Options::app("raw:app")), Server::start(Options::app("raw:app"))];
    assert_ne!(servers[0].address().port(), servers[1].address().port());
    for server in &servers {
        server.get("/hello").expect(200);
    }
}

#[test]
fn a_port_in_use_cannot_be_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let exit = Server::run(Options::app("raw:app").without_port().with("--port", &port));
    assert_eq!(exit.code, Some(4), "{exit:?}");
    assert!(exit.stderr.contains("error") && exit.stderr.contains(&port), "{}", exit.stderr);
}

#[test]
fn a_port_of_another_pounce_cannot_be_bound_either() {
    let first = Server::start(Options::app("raw:app"));
    let port = first.address().port().to_string();
    let exit = Server::run(Options::app("raw:app").without_port().with("--port", &port));
    assert_eq!(exit.code, Some(4), "{exit:?}");
    first.get("/hello").expect(200);
}

#[test]
fn an_address_of_another_machine_cannot_be_bound() {
    let exit = Server::run(Options::app("raw:app").with("--host", "192.0.2.1"));
    assert_eq!(exit.code, Some(4), "{exit:?}");
    assert!(exit.stderr.contains("192.0.2.1"), "{}", exit.stderr);
}

#[test]
fn a_port_is_free_again_as_soon_as_the_server_has_stopped() {
    let mut first = Server::start(Options::app("raw:app"));
    let port = first.address().port().to_string();
    let mut client = first.connect();
    client.get("/hello").response().expect(200);
    first.sigterm();
    first.wait_exit();
    let second = Server::start(Options::app("raw:app").without_port().with("--port", &port));
    second.get("/hello").expect(200);
}

#[test]
fn every_bind_is_served() {
    let (_directory, path) = socket_path();
    let unix = format!("unix:{}", path.display());
    let options =
        Options::app("raw:app").without_port().with("--bind", "127.0.0.1:0").with("--bind", "127.0.0.2:0");
    let server = Server::start(options.with("--bind", unix));
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for address in addresses {
        Client::tcp(*address).get("/hello").response().expect(200);
    }
    answers(&path);
}

#[test]
fn a_unix_socket_is_made_with_its_permissions_and_unlinked_at_the_end() {
    let (_directory, path) = socket_path();
    let mut server = Server::start(on_unix(&path).with("--uds-permissions", "600"));
    answers(&path);
    let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
    assert!(!path.exists(), "left behind");
}

#[test]
fn a_stale_unix_socket_is_taken_over() {
    let (_directory, path) = socket_path();
    drop(UnixListener::bind(&path).expect("the directory is writable"));
    assert!(path.exists());
    let _server = Server::start(on_unix(&path));
    answers(&path);
}

#[test]
fn a_unix_socket_of_a_server_that_was_killed_is_taken_over() {
    let (_directory, path) = socket_path();
    drop(Server::start(on_unix(&path)));
    assert!(path.exists(), "a killed server unlinks nothing");
    let _server = Server::start(on_unix(&path));
    answers(&path);
}

#[test]
fn a_unix_socket_in_use_cannot_be_bound() {
    let (_directory, path) = socket_path();
    let _first = Server::start(on_unix(&path));
    let exit = Server::run(on_unix(&path));
    assert_eq!(exit.code, Some(4), "{exit:?}");
    answers(&path);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let (_directory, path) = socket_path();
    fs::write(&path, "precious").expect("the directory is writable");
    let exit = Server::run(on_unix(&path));
    assert_eq!(exit.code, Some(4), "{exit:?}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
}

#[test]
fn a_unix_socket_that_another_server_took_over_is_not_unlinked() {
    let (_directory, path) = socket_path();
    let mut first = Server::start(on_unix(&path));
    fs::remove_file(&path).expect("it is there");
    let _second = Server::start(on_unix(&path));
    first.sigterm();
    first.wait_exit();
    assert!(fs::metadata(&path).expect("still there").file_type().is_socket());
    answers(&path);
}

#[test]
fn an_inherited_descriptor_is_served() {
    for name in ["--fd", "--bind"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let value = if name == "--fd" { "3" } else { "fd://3" };
        let options = Options::app("raw:app").without_port().with(name, value).inherit(listener);
        let mut server = Server::start(options);
        Client::tcp(address).get("/hello").response().expect(200);
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0));
    }
}

#[test]
fn a_descriptor_that_is_no_listener_is_refused() {
    let exit = Server::run(Options::app("raw:app").without_port().with("--fd", "99"));
    assert!(matches!(exit.code, Some(2 | 4)), "{exit:?}");
    assert!(exit.stderr.contains("99"), "{}", exit.stderr);
}

#[test]
fn listeners_that_another_process_was_to_inherit_are_left_alone() {
    // The variable for a server's successor; other programs find it in their environment too.
    for value in ["3:inet", "1,3:inet"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let options = Options::app("raw:app").env("_POUNCE_LISTENERS", value).inherit(listener);
        let server = Server::start(options);
        assert_ne!(server.address(), address, "{value}");
        server.get("/hello").expect(200);
    }
}

#[test]
fn localhost_is_served_at_both_loopback_addresses_with_one_port() {
    let has_v6 = TcpListener::bind("[::1]:0").is_ok();
    for workers in ["1", "2"] {
        let options = Options::app("raw:app").with("--host", "localhost").with("--workers", workers);
        let server = Server::start(options);
        let addresses = server.addresses();
        assert_eq!(addresses.len(), if has_v6 { 2 } else { 1 }, "{addresses:?}");
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()), "{addresses:?}");
        for address in addresses {
            assert!(address.ip().is_loopback());
            Client::tcp(*address).get("/hello").response().expect(200);
        }
    }
}

/// A server whose application completes its startup after [`open`], and records that it starts.
fn gated(options: Options) -> Server {
    let server = Server::spawn(options);
    let started = || server.directory().join("lifespan.log").exists().then_some(());
    eventually("the startup has begun", started);
    server
}

fn open(server: &Server) {
    fs::write(server.directory().join("go"), "").expect("the directory is writable");
}

fn free_port() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound")
}

fn is_refused(connected: io::Result<impl Sized>) {
    let refused = connected.err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
}

#[test]
fn connections_are_refused_until_the_application_is_there() {
    for more in [
        &["--workers", "1"][..],
        &["--workers", "2"],
        &["--workers", "2", "--reuse-port"],
        &["--workers", "2", "--lifespan-scope", "server"],
    ] {
        let (address, (_directory, path)) = (free_port(), socket_path());
        let options = Options::app("lifespan:gated").without_port().with("--bind", address.to_string());
        let options = options.with("--bind", format!("unix:{}", path.display()));
        let mut server = gated(more.iter().fold(options, |options, argument| options.flag(argument)));
        is_refused(TcpStream::connect(address));
        is_refused(UnixStream::connect(&path));
        assert!(!server.stderr().contains(&address.to_string()), "{}", server.stderr());
        open(&server);
        server.wait_ready();
        assert_eq!(server.address(), address);
        server.get("/show").expect(200);
        Client::unix(&path).get("/show").response().expect(200);
    }
}

#[test]
fn an_address_is_claimed_before_the_application_is_there() {
    let (address, (_directory, path)) = (free_port(), socket_path());
    let binds = [address.to_string(), format!("unix:{}", path.display())];
    let all = binds
        .iter()
        .fold(Options::app("lifespan:gated").without_port(), |all, bind| all.with("--bind", bind));
    let mut first = gated(all);
    for bind in &binds {
        let second = Options::app("raw:app").without_port().with("--bind", bind);
        let exit = Server::run(second);
        assert_eq!(exit.code, Some(4), "{bind}: {exit:?}");
        assert!(exit.stderr.contains("hint: ") && !exit.stderr.contains("Loading"), "{}", exit.stderr);
    }
    open(&first);
    first.wait_ready();
    first.get("/show").expect(200);
    Client::unix(&path).get("/show").response().expect(200);
}

#[test]
fn a_socket_that_is_handed_over_listening_keeps_who_waits_in_it() {
    for workers in ["1", "2"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let options = Options::app("lifespan:gated").without_port().with("--fd", "3").inherit(listener);
        let server = gated(options.with("--workers", workers));
        let mut early = Client::tcp(address);
        early.get("/show");
        open(&server);
        early.response().expect(200);
    }
}

#[test]
fn a_server_goes_on_listening_while_its_application_is_loaded_anew() {
    for workers in ["1", "2"] {
        let mut server = gated(Options::app("lifespan:gated").with("--workers", workers));
        open(&server);
        server.wait_ready();
        let log = server.directory().join("lifespan.log");
        fs::remove_file(server.directory().join("go")).expect("it is there");
        fs::remove_file(&log).expect("it is there");
        server.signal(Signal::SIGHUP);
        eventually("the next startup has begun", || log.exists().then_some(()));
        server.get("/show").expect(200);
        open(&server);
        server.wait_stderr("Reloaded");
        server.get("/show").expect(200);
    }
}
