//! Reconstructing listeners from descriptors, in this process and in a child.

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use pounce_net::{
    AdoptError, BindError, BindOptions, Endpoint, Family, Listener, LocalAddr, StdListener, bind, inherit,
};
use socket2::SockRef;

fn loopback() -> Listener {
    bind(&"127.0.0.1:0".parse::<Endpoint>().expect("an endpoint"), &BindOptions::default())
        .expect("bind")
        .remove(0)
}

fn connect(listener: &Listener) -> TcpStream {
    match listener.local_addr() {
        LocalAddr::Tcp(address) => TcpStream::connect(address).expect("connect"),
        LocalAddr::Unix(path) => panic!("a Unix socket at {}", path.display()),
    }
}

fn accept(listener: Listener) -> TcpStream {
    match listener.into_std() {
        StdListener::Tcp(listener) => {
            listener.set_nonblocking(false).expect("blocking");
            listener.accept().expect("accept").0
        }
        StdListener::Unix(_) => panic!("a Unix listener"),
    }
}

/// Whether a program started now inherits the socket.
fn child_sees(socket: &impl AsRawFd) -> bool {
    is_socket(socket).status().expect("sh").success()
}

/// A program that succeeds if it has inherited the socket.
fn is_socket(socket: &impl AsRawFd) -> Command {
    let mut program = Command::new("sh");
    program.args(["-c", &format!("test -S /dev/fd/{}", socket.as_raw_fd())]);
    program
}

/// One test of this file, which is ignored otherwise, in a process of its own.
fn this_test(name: &str) -> Command {
    let mut program = Command::new(env::current_exe().expect("a test knows its own path"));
    program.args(["--exact", name, "--ignored"]).stdout(Stdio::null());
    program
}

/// A number beyond every limit on open descriptors.
const NEVER_OPEN: RawFd = RawFd::MAX;

#[test]
fn an_owned_descriptor_becomes_a_nonblocking_close_on_exec_listener() {
    let std = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = std.local_addr().unwrap();
    SockRef::from(&std).set_cloexec(false).unwrap();
    let listener = Listener::from_fd(std.into(), Family::Inet).unwrap();
    assert_eq!(listener.local_addr(), &LocalAddr::Tcp(address));
    assert!(SockRef::from(&listener).nonblocking().unwrap());
    assert!(!child_sees(&listener));
    assert!(SockRef::from(&listener).tcp_nodelay().unwrap());
    let _client = connect(&listener);
    accept(listener);
}

#[test]
fn a_unix_listener_is_reconstructed_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let std = UnixListener::bind(&path).unwrap();
    let listener = Listener::from_fd(std.into(), Family::Unix).unwrap();
    assert_eq!(listener.local_addr(), &LocalAddr::Unix(path.clone()));
    assert!(!listener.unlink().unwrap(), "another made the file");
    assert!(path.exists());
}

#[test]
fn a_pipe_is_not_a_socket() {
    let (reader, _writer) = io::pipe().unwrap();
    let error = Listener::from_fd(reader.into(), Family::Inet).unwrap_err();
    assert!(matches!(error, AdoptError::NotASocket), "{error}");
}

#[test]
fn a_udp_socket_is_not_a_stream() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Listener::from_fd(socket.into(), Family::Inet).unwrap_err();
    assert!(matches!(error, AdoptError::NotAStream), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_does_not_listen_is_refused() {
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let error = Listener::from_fd(bound.into(), Family::Inet).unwrap_err();
    assert!(matches!(error, AdoptError::NotListening), "{error}");
    let connection = connect(&loopback());
    let error = Listener::from_fd(connection.into(), Family::Inet).unwrap_err();
    assert!(matches!(error, AdoptError::NotListening), "{error}");
}

#[test]
fn a_socket_that_is_yet_to_listen_can_be_adopted_as_such() {
    let claim = BindOptions { backlog: None, ..BindOptions::default() };
    let claimed = bind(&"127.0.0.1:0".parse::<Endpoint>().unwrap(), &claim).unwrap().remove(0);
    let adopted = Listener::bound_from_raw_fd(claimed.as_raw_fd(), Family::Inet).unwrap();
    adopted.listen(16).unwrap();
    let _client = connect(&claimed);
    accept(adopted);
    let wrong = Listener::bound_from_raw_fd(claimed.as_raw_fd(), Family::Unix).unwrap_err();
    assert!(matches!(wrong, AdoptError::WrongFamily { .. }), "{wrong}");
}

#[test]
fn the_wrong_family_is_refused() {
    let fd = OwnedFd::from(loopback());
    let error = Listener::from_fd(fd, Family::Inet6).unwrap_err();
    assert!(matches!(error, AdoptError::WrongFamily { expected: Family::Inet6, found: Family::Inet }));
    assert_eq!(error.to_string(), "the socket's address family is inet, not inet6");
}

#[test]
fn a_number_that_is_not_open_is_refused() {
    for fd in [NEVER_OPEN, -1] {
        let error = Listener::from_raw_fd(fd, None).unwrap_err();
        assert!(matches!(error, AdoptError::NotOpen { fd: named } if named == fd), "{error}");
    }
    let error = bind(&Endpoint::Fd(NEVER_OPEN), &BindOptions::default()).unwrap_err();
    assert!(matches!(error, BindError::Adopt { .. }));
    assert_eq!(
        error.to_string(),
        format!("cannot listen on fd://{NEVER_OPEN}: descriptor {NEVER_OPEN} is not open in this process")
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_descriptor_that_this_process_opened_is_duplicated() {
    let owner = loopback();
    let fd = owner.as_raw_fd();
    let mut adopted = bind(&Endpoint::Fd(fd), &BindOptions::default()).unwrap();
    let adopted = adopted.remove(0);
    assert_ne!(adopted.as_raw_fd(), fd);
    assert_eq!(adopted.local_addr(), owner.local_addr());
    let _client = connect(&owner);
    drop(adopted);
    accept(owner);
}

#[test]
fn a_standard_stream_stays_open() {
    let listener = loopback();
    let mut child = this_test("the_child_adopts_its_standard_input");
    let stdin = OwnedFd::from(listener.try_clone().unwrap());
    assert!(child.stdin(stdin).env(CHILD_FD, "stdin").status().unwrap().success());
}

#[test]
fn a_refused_descriptor_stays_open_and_as_it_was() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    SockRef::from(&socket).set_cloexec(false).unwrap();
    let error = Listener::from_raw_fd(socket.as_raw_fd(), None).unwrap_err();
    assert!(matches!(error, AdoptError::NotAStream), "{error}");
    assert!(child_sees(&socket));
    assert!(!SockRef::from(&socket).nonblocking().unwrap());
    assert!(socket.local_addr().is_ok());
}

#[test]
#[ignore = "a_standard_stream_stays_open starts it in a process of its own"]
fn the_child_adopts_its_standard_input() {
    if env::var(CHILD_FD).is_err() {
        return println!("skipped: no parent started this");
    }
    let adopted = Listener::from_raw_fd(io::stdin().as_raw_fd(), None).unwrap();
    assert!(!child_sees(&adopted));
    drop(adopted);
    assert!(child_sees(&io::stdin()));
}

/// The environment variable that names the descriptor for `the_child_accepts`.
const CHILD_FD: &str = "POUNCE_NET_TEST_FD";

#[test]
fn a_child_accepts_from_an_inherited_listener() {
    let listener = loopback();
    let mut child = this_test("the_child_accepts");
    inherit(&mut child, &[listener.as_fd()]);
    let given = format!("{} {}", listener.as_raw_fd(), listener.family());
    let mut child = child.env(CHILD_FD, given).spawn().unwrap();
    let mut client = connect(&listener);
    let mut received = String::new();
    client.read_to_string(&mut received).unwrap();
    assert_eq!(received, "from the child");
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "a_child_accepts_from_an_inherited_listener starts it in a separate process"]
fn the_child_accepts() {
    let Ok(given) = env::var(CHILD_FD) else {
        return println!("skipped: no parent started this");
    };
    let (fd, family) = given.split_once(' ').unwrap();
    let (fd, family) = (fd.parse().unwrap(), Some(family.parse().unwrap()));
    let listener = Listener::from_raw_fd(fd, family).unwrap();
    assert!(!child_sees(&listener));
    // It was taken over: the socket closes with the listener.
    assert!(matches!(Listener::from_raw_fd(fd, family), Err(AdoptError::NotOpen { .. })));
    accept(listener).write_all(b"from the child").unwrap();
}

#[test]
fn a_child_sees_only_what_it_is_to_inherit() {
    let listener = loopback();
    assert!(!child_sees(&listener));
    let mut child = is_socket(&listener);
    inherit(&mut child, &[listener.as_fd()]);
    assert!(child.status().expect("sh").success());
    assert!(!child_sees(&listener));
}
