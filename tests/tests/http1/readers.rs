//! Clients that read: a steady reader costs only its unread data, and is not mistaken for one that stalls.

use pounce_tests::attack::growth_kib;
use pounce_tests::{Ask, Options, Server, Transport};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

/// The length of a stream: three times what it may cost, because a server that never compacts keeps all of it.
const TOTAL: usize = 12 << 20;

/// The memory that its reader may cost, in KiB.
const BOUND: u64 = 4 * 1024;

/// How much the reader reads between pauses, so that the server's output never becomes empty.
const BETWEEN_PAUSES: usize = 8 * 1024;

/// Reads `total` bytes with `read`, which returns how many came, steadily but more slowly than the server sends.
fn read_slowly(total: usize, mut read: impl FnMut() -> usize) {
    let (mut come, mut since_pause) = (0, 0);
    while come < total {
        let count = read();
        assert!(count > 0, "the end after {come} of {total} bytes");
        come += count;
        since_pause += count;
        if since_pause >= BETWEEN_PAUSES {
            since_pause = 0;
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    assert_eq!(come, total);
}

/// A server whose sockets have small buffers, so that its own buffers hold the rest.
fn with_small_send_buffer(options: Options) -> Server {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("sockets can be made");
    socket.set_send_buffer_size(8 * 1024).expect("an open socket takes options");
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    socket.listen(16).expect("bound");
    let options = options.without_port().with("--fd", "3").flag("--no-access-log");
    Server::start(options.inherit(TcpListener::from(socket)))
}

/// Reads a stream in pieces of `size` bytes to its end.
fn read_a_stream(transport: Transport, size: usize) {
    let server = with_small_send_buffer(Options::app("raw:app"));
    let read = |count: usize| {
        let mut exchange = transport.ask(&server, &Ask::get(&format!("/stream/{count}/{size}")));
        read_slowly(count * size, || exchange.piece().map_or(0, |piece| piece.len()));
        assert!(exchange.piece().is_none());
    };
    read(100);
    let growth = growth_kib(&server, || read(TOTAL / size));
    assert!(growth <= BOUND, "grew by {growth} KiB");
}

/// Reads messages of `size` bytes to the end of a WebSocket.
fn read_messages(transport: Transport, kind: &str, size: usize) {
    let server = with_small_send_buffer(Options::app("websocket:app"));
    let read = |count: usize| {
        let mut socket = transport.connect(&server, &format!("/stream/{kind}/{count}/{size}"));
        read_slowly(count * size, || socket.frame().payload.len());
        socket.closed_by_server(1000);
    };
    read(100);
    let growth = growth_kib(&server, || read(TOTAL / size));
    assert!(growth <= BOUND, "grew by {growth} KiB");
}

#[test]
fn a_steady_reader_of_small_pieces_costs_little_over_http1() {
    read_a_stream(Transport::ClearHttp1, 1_000);
}

#[test]
fn a_steady_reader_of_pieces_costs_little_over_http1() {
    read_a_stream(Transport::ClearHttp1, 8_192);
}

#[test]
fn a_steady_reader_of_small_pieces_costs_little_over_http2() {
    read_a_stream(Transport::ClearHttp2, 1_000);
}

#[test]
fn a_steady_reader_of_pieces_costs_little_over_http2() {
    read_a_stream(Transport::ClearHttp2, 8_192);
}

#[test]
fn a_steady_reader_of_small_texts_costs_little() {
    read_messages(Transport::ClearHttp1, "text", 1_000);
}

#[test]
fn a_steady_reader_of_texts_costs_little() {
    read_messages(Transport::ClearHttp1, "text", 8_192);
}

#[test]
fn a_steady_reader_of_texts_costs_little_over_http2() {
    read_messages(Transport::ClearHttp2, "text", 8_192);
}

#[test]
fn a_steady_reader_over_tls_is_not_taken_for_one_that_stalls() {
    let transport = Transport::TlsHttp1;
    let server = with_small_send_buffer(Options::app("raw:app").tls().with("--timeout-write", "1"));
    // The client needs longer than that to read what is encrypted at once.
    let ask = Ask::get("/stream/16/8192");
    let mut exchange = transport.ask_with_receive_buffer(&server, &ask, 8 * 1024);
    let mut come = 0;
    while let Some(piece) = exchange.piece() {
        come += piece.len();
        std::thread::sleep(Duration::from_millis(piece.len() as u64 / 32));
    }
    assert_eq!(come, 16 * 8192);
}
