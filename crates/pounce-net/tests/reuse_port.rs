//! SO_REUSEPORT sets: one address, several queues.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

use pounce_net::{BindError, BindOptions, Endpoint, Listener, LocalAddr, StdListener, bind, bind_set};
use socket2::SockRef;

fn endpoint(text: &str) -> Endpoint {
    text.parse().expect("an endpoint")
}

fn address(listener: &Listener) -> SocketAddr {
    match listener.local_addr() {
        LocalAddr::Tcp(address) => *address,
        LocalAddr::Unix(path) => panic!("a Unix socket at {}", path.display()),
    }
}

fn into_tcp(listener: Listener) -> TcpListener {
    match listener.into_std() {
        StdListener::Tcp(listener) => listener,
        StdListener::Unix(_) => panic!("a Unix listener"),
    }
}

#[test]
fn every_queue_of_a_set_gets_connections_and_none_is_lost() {
    let slots = bind_set(&endpoint("127.0.0.1:0"), &BindOptions::default(), 2).unwrap();
    assert_eq!(slots.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let target = address(&slots[0][0]);
    assert_eq!(target, address(&slots[1][0]));
    // The kernel picks by a hash of both addresses: all 128 connections land in one of the two queues with a
    // probability of 2^-127.
    let clients: Vec<_> = (0..128).map(|_| TcpStream::connect(target).unwrap()).collect();
    let queues: Vec<_> = slots.into_iter().flatten().map(into_tcp).collect();
    let mut accepted = [0, 0];
    while accepted.iter().sum::<usize>() < clients.len() {
        for (queue, count) in queues.iter().zip(&mut accepted) {
            match queue.accept() {
                Ok(_) => *count += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
    assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
}

#[test]
fn every_slot_has_every_address_of_the_host() {
    let slots = bind_set(&endpoint("localhost:0"), &BindOptions::default(), 3).unwrap();
    let addresses: Vec<Vec<_>> = slots.iter().map(|slot| slot.iter().map(address).collect()).collect();
    assert_eq!(addresses.len(), 3);
    assert!(addresses.iter().all(|slot| *slot == addresses[0]));
    let ports: HashSet<u16> = addresses.iter().flatten().map(SocketAddr::port).collect();
    assert_eq!(ports.len(), 1);
}

#[test]
fn a_set_of_zero_slots_is_empty() {
    assert!(bind_set(&endpoint("127.0.0.1:0"), &BindOptions::default(), 0).unwrap().is_empty());
}

#[test]
fn a_second_set_at_the_same_address_needs_leave() {
    let first = bind_set(&endpoint("127.0.0.1:0"), &BindOptions::default(), 1).unwrap();
    let same = endpoint(&address(&first[0][0]).to_string());
    let error = bind_set(&same, &BindOptions::default(), 1).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    let leave = BindOptions { reuse_port: true, ..BindOptions::default() };
    assert_eq!(bind_set(&same, &leave, 2).unwrap().len(), 2);
    let joined = bind(&same, &leave).unwrap();
    assert!(SockRef::from(&joined[0]).reuse_port().unwrap());
}

#[test]
fn a_set_does_not_join_a_server_that_is_yet_to_listen() {
    let claim = BindOptions { backlog: None, ..BindOptions::default() };
    let first = bind_set(&endpoint("127.0.0.1:0"), &claim, 2).unwrap();
    let same = endpoint(&address(&first[0][0]).to_string());
    let error = bind_set(&same, &claim, 2).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    first.iter().flatten().for_each(|listener| listener.listen(16).unwrap());
    assert!(matches!(bind_set(&same, &claim, 2), Err(BindError::InUse { .. })));
}

#[test]
fn unix_sockets_and_descriptors_cannot_have_several_queues() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in [Endpoint::Unix(dir.path().join("app.sock")), Endpoint::Fd(0)] {
        let error = bind_set(&endpoint, &BindOptions::default(), 2).unwrap_err();
        assert!(matches!(error, BindError::NoReusePort { .. }), "{error}");
        assert!(error.hint().is_some());
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
