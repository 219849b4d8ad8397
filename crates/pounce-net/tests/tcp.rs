//! Binding TCP endpoints: families, dual stack, shared ports, options and errors.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use pounce_net::{BindError, BindOptions, Endpoint, Family, Listener, LocalAddr, StdListener, bind};
use socket2::SockRef;

fn bind_text(text: &str, options: &BindOptions) -> Result<Vec<Listener>, BindError> {
    bind(&text.parse::<Endpoint>().expect("an endpoint"), options)
}

fn bind_one(text: &str) -> Listener {
    let mut listeners = bind_text(text, &BindOptions::default()).expect("bind");
    assert_eq!(listeners.len(), 1);
    listeners.remove(0)
}

fn address(listener: &Listener) -> SocketAddr {
    match listener.local_addr() {
        LocalAddr::Tcp(address) => *address,
        LocalAddr::Unix(path) => panic!("a Unix socket at {}", path.display()),
    }
}

/// Accepts the waiting connection.
fn accept(listener: Listener) -> TcpStream {
    match listener.into_std() {
        StdListener::Tcp(listener) => {
            listener.set_nonblocking(false).expect("blocking");
            listener.accept().expect("accept").0
        }
        StdListener::Unix(_) => panic!("a Unix listener"),
    }
}

fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        println!("skipped: this machine has no IPv6");
    }
    has
}

#[test]
fn ipv4_listens_at_the_port_the_kernel_picked() {
    let listener = bind_one("127.0.0.1:0");
    assert_eq!(listener.family(), Family::Inet);
    let address = address(&listener);
    assert_ne!(address.port(), 0);
    assert_eq!(listener.local_addr().to_string(), address.to_string());
    let _client = TcpStream::connect(address).unwrap();
    accept(listener);
}

#[test]
fn ipv6_listens() {
    if !has_ipv6() {
        return;
    }
    let listener = bind_one("[::1]:0");
    assert_eq!(listener.family(), Family::Inet6);
    let _client = TcpStream::connect(address(&listener)).unwrap();
    accept(listener);
}

#[test]
fn ipv6_any_address_takes_ipv4_too() {
    if !has_ipv6() {
        return;
    }
    let listener = bind_one("[::]:0");
    let _client = TcpStream::connect(("127.0.0.1", address(&listener).port())).unwrap();
    accept(listener);
}

#[test]
fn ipv6_only_leaves_the_port_to_ipv4() {
    if !has_ipv6() {
        return;
    }
    let options = BindOptions { ipv6_only: Some(true), ..BindOptions::default() };
    let listener = bind_text("[::]:0", &options).unwrap().remove(0);
    assert!(SockRef::from(&listener).only_v6().unwrap());
}

#[test]
fn localhost_listens_at_every_address_with_one_port() {
    let listeners = bind_text("localhost:0", &BindOptions::default()).unwrap();
    let addresses: HashSet<SocketAddr> = listeners.iter().map(address).collect();
    let ports: HashSet<u16> = addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(addresses.len(), listeners.len());
    assert_eq!(ports.len(), 1);
    assert!(!ports.contains(&0));
    println!("localhost is {addresses:?}");
}

#[test]
fn options_reach_the_socket_and_what_it_accepts() {
    let listener = bind_one("127.0.0.1:0");
    let socket = SockRef::from(&listener);
    assert!(socket.nonblocking().unwrap());
    assert!(socket.reuse_address().unwrap());
    assert!(!socket.reuse_port().unwrap());
    assert!(socket.tcp_nodelay().unwrap());
    let _client = TcpStream::connect(address(&listener)).unwrap();
    let accepted = accept(listener);
    if cfg!(target_os = "linux") {
        assert!(accepted.nodelay().unwrap());
    }
}

#[test]
fn an_address_in_use_is_named() {
    let first = bind_one("127.0.0.1:0");
    let text = address(&first).to_string();
    let error = bind_text(&text, &BindOptions::default()).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }));
    assert_eq!(error.to_string(), format!("{text} is already in use"));
    assert!(error.hint().unwrap().contains("choose a port other than"));
}

#[test]
fn an_address_can_be_bound_again_once_its_listener_is_gone() {
    let first = bind_one("127.0.0.1:0");
    let text = address(&first).to_string();
    let client = TcpStream::connect(address(&first)).unwrap();
    // The server's side closes first, so the connection is left in FIN_WAIT or TIME_WAIT at this port.
    drop(accept(first));
    bind_one(&text);
    drop(client);
}

#[test]
fn an_address_of_another_machine_is_not_available() {
    // 192.0.2.0/24 is for documentation (RFC 5737) and no interface has it.
    let error = bind_text("192.0.2.1:0", &BindOptions::default()).unwrap_err();
    assert!(matches!(error, BindError::NotAvailable { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn an_unknown_host_cannot_be_resolved() {
    // RFC 6761 §6.4: `.invalid` never resolves.
    let error = bind_text("host.invalid:80", &BindOptions::default()).unwrap_err();
    assert!(matches!(&error, BindError::Resolve { host, .. } if host == "host.invalid"), "{error}");
    assert!(error.to_string().starts_with("cannot resolve host `host.invalid`: "));
}

#[test]
fn a_privileged_port_without_privilege_gets_a_hint() {
    // Whether the system refuses depends on the user who runs the test, so the error is made by hand.
    let error = BindError::Permission {
        address: SocketAddr::from(([127, 0, 0, 1], 80)).into(),
        source: ErrorKind::PermissionDenied.into(),
    };
    assert!(error.to_string().starts_with("no permission to listen on 127.0.0.1:80: "));
    assert!(error.hint().unwrap().contains("such as 8080"));
}

#[test]
fn a_duplicate_keeps_accepting_after_the_original_is_dropped() {
    let listener = bind_one("127.0.0.1:0");
    let address = address(&listener);
    let duplicate = listener.try_clone().unwrap();
    assert_eq!(duplicate.local_addr(), listener.local_addr());
    let _before = TcpStream::connect(address).unwrap();
    drop(listener);
    let _after = TcpStream::connect(address).unwrap();
    accept(duplicate.try_clone().unwrap());
    accept(duplicate);
}

fn claim(text: &str) -> Result<Vec<Listener>, BindError> {
    bind_text(text, &BindOptions { backlog: None, ..BindOptions::default() })
}

#[test]
fn an_address_that_is_claimed_refuses_connections_until_the_socket_listens() {
    let claimed = claim("127.0.0.1:0").unwrap().remove(0);
    let text = address(&claimed).to_string();
    assert_eq!(TcpStream::connect(&text).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // A second socket cannot have the address, whether it would listen at once or later.
    for second in [bind_text(&text, &BindOptions::default()), claim(&text)] {
        assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
    }
    claimed.try_clone().unwrap().listen(16).unwrap();
    let _client = TcpStream::connect(&text).unwrap();
    claimed.listen(16).unwrap();
    accept(claimed);
}

#[test]
fn an_address_can_be_claimed_while_connections_of_an_earlier_listener_linger() {
    let first = bind_one("127.0.0.1:0");
    let text = address(&first).to_string();
    let client = TcpStream::connect(address(&first)).unwrap();
    drop(accept(first));
    let claimed = claim(&text).unwrap().remove(0);
    claimed.listen(16).unwrap();
    let _next = TcpStream::connect(&text).unwrap();
    // Once more, with connections left by a listener that was itself claimed first.
    drop(accept(claimed));
    claim(&text).unwrap().remove(0).listen(16).unwrap();
    drop(client);
}

#[test]
fn of_two_that_could_claim_an_address_the_second_to_listen_fails() {
    let first = bind_one("127.0.0.1:0");
    let text = address(&first).to_string();
    let client = TcpStream::connect(address(&first)).unwrap();
    drop(accept(first));
    let (one, other) = (claim(&text).unwrap().remove(0), claim(&text).unwrap().remove(0));
    one.listen(16).unwrap();
    assert!(matches!(other.listen(16), Err(BindError::InUse { .. })));
    drop(client);
}
