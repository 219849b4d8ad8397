//! Clients that read or send too slowly, but never stall. The time windows are short here; unit tests with simulated
//! clocks cover the measurement.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use pounce_asgi::{
    Accept, App, ConnectionInfo, Exchange, Inbound, MessageKind, Outcome, Payload, Peer, RequestHead,
    ResponseHead, Socket,
};
use pounce_worker::Settings;
use pounce_worker::test_apps::HelloApp;

use super::{connect, with_worker};

const HOUR: Duration = Duration::from_secs(3600);
/// More than socket buffers hold.
const LARGE: usize = 24 << 20;
const SHORT: Duration = Duration::from_millis(100);

/// Settings under which only the rate ends anything: a rate no client reaches, over a short time.
fn unreachable_rate() -> Settings {
    rate(1 << 40, SHORT)
}

fn rate(bytes: u64, window: Duration) -> Settings {
    let mut settings = Settings { rate_window: window, ..Settings::default() };
    settings.http.limit_min_read_rate = NonZeroU64::new(bytes);
    settings.http.limit_min_body_rate = NonZeroU64::new(bytes);
    settings.http.timeout_write = HOUR;
    settings.http.timeout_body = HOUR;
    settings
}

/// Answers with the length of the whole body; sends over a WebSocket for as long as the client reads.
struct CountApp;

impl App for CountApp {
    type Connection = ();
    type Call = Pin<Box<dyn Future<Output = Outcome>>>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, exchange: Exchange) -> Self::Call {
        Box::pin(async move {
            let mut body = Vec::new();
            loop {
                match exchange.receive(&mut body).await {
                    Inbound::Body { more: true } => {}
                    Inbound::Body { more: false } => break,
                    Inbound::Disconnect => return Outcome::Returned,
                }
                // Wait for something else between the pieces.
                tokio::task::yield_now().await;
            }
            let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
            let length = body.len().to_string();
            let _ = exchange
                .start(&mut head)
                .and_then(|()| exchange.body(Payload::Borrowed(length.as_bytes()), false));
            Outcome::Returned
        })
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        Box::pin(async move {
            socket.receive(|_| {}).await;
            let mut sent = socket.accept(&Accept::default());
            while sent.is_ok() && socket.ready().await.is_ok() {
                sent = socket.send(MessageKind::Binary, Payload::Borrowed(&[0; 65536]));
            }
            Outcome::Returned
        })
    }
}

/// Reads a piece every few milliseconds to the end, or up to `limit` bytes; returns how many.
fn read_slowly(mut stream: impl std::io::Read, limit: usize) -> usize {
    let mut piece = vec![0; 64 * 1024];
    let mut all = 0;
    while all < limit {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => all += count,
        }
        thread::sleep(Duration::from_millis(5));
    }
    all
}

#[test]
fn a_reader_that_is_too_slow_is_cut_off() {
    with_worker(
        unreachable_rate(),
        || HelloApp::new(vec![b'x'; LARGE]),
        |address, _drain| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            assert!(read_slowly(&stream, LARGE) < LARGE, "all of it came");
        },
    );
}

#[test]
fn a_reader_that_is_fast_enough_gets_everything() {
    with_worker(
        rate(1000, Duration::from_millis(500)),
        || HelloApp::new(vec![b'x'; LARGE]),
        |address, _drain| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            assert!(read_slowly(&stream, LARGE) >= LARGE, "cut off");
        },
    );
}

#[test]
fn a_reader_of_a_websocket_that_is_too_slow_is_cut_off() {
    with_worker(
        unreachable_rate(),
        || CountApp,
        |address, _drain| {
            let mut stream = connect(address);
            stream
                .write_all(
                    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
                      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                )
                .expect("sent");
            assert!(read_slowly(&stream, 4 * LARGE) < 4 * LARGE, "it went on");
        },
    );
}

#[test]
fn a_body_that_is_too_slow_is_timed_out() {
    with_worker(
        unreachable_rate(),
        || CountApp,
        |address, _drain| {
            let mut stream = connect(address);
            stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").expect("sent");
            for _ in 0..100 {
                if stream.write_all(b"x").is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(2));
            }
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
        },
    );
}

#[test]
fn a_body_that_is_fast_enough_is_taken() {
    with_worker(
        rate(10, Duration::from_millis(500)),
        || CountApp,
        |address, _drain| {
            let mut stream = connect(address);
            stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n").expect("sent");
            for _ in 0..60 {
                stream.write_all(b"x").expect("it is taken");
                thread::sleep(Duration::from_millis(20));
            }
            let mut answer = vec![0; 12];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 200");
        },
    );
}

/// Runs `client` with an HTTP/2 connection.
fn over_http2<F: Future<Output = ()>>(address: SocketAddr, client: impl FnOnce(SendRequest<Bytes>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
        let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
        let driver = tokio::spawn(connection);
        client(sender.ready().await.expect("a stream")).await;
        driver.abort();
    });
}

fn request() -> http::Request<()> {
    http::Request::post("http://a/").body(()).expect("a request")
}

/// Reads a stream slowly to the end; returns how many bytes.
async fn read_stream(response: ResponseFuture, pause: Duration) -> usize {
    let mut body = response.await.expect("a head").into_body();
    let mut all = 0;
    while let Some(Ok(piece)) = body.data().await {
        all += piece.len();
        tokio::time::sleep(pause).await;
        let _ = body.flow_control().release_capacity(piece.len());
    }
    all
}

#[test]
fn a_reader_of_a_stream_that_is_too_slow_has_it_reset() {
    with_worker(
        unreachable_rate(),
        || HelloApp::new(vec![b'x'; LARGE]),
        |address, _drain| {
            over_http2(address, async |mut sender| {
                let (response, _) = sender.send_request(request(), true).expect("sent");
                assert!(read_stream(response, Duration::from_millis(5)).await < LARGE, "all of it came");
            });
        },
    );
}

#[test]
fn a_reader_of_a_stream_that_is_fast_enough_gets_everything() {
    with_worker(
        rate(1000, Duration::from_millis(500)),
        || HelloApp::new(vec![b'x'; 8 << 20]),
        |address, _drain| {
            over_http2(address, async |mut sender| {
                let (response, _) = sender.send_request(request(), true).expect("sent");
                assert_eq!(read_stream(response, Duration::from_millis(2)).await, 8 << 20);
            });
        },
    );
}

#[test]
fn a_body_of_a_stream_that_is_too_slow_is_timed_out() {
    with_worker(
        unreachable_rate(),
        || CountApp,
        |address, _drain| {
            over_http2(address, async |mut sender| {
                let (response, mut body) = sender.send_request(request(), false).expect("sent");
                tokio::spawn(async move {
                    while body.send_data(Bytes::from_static(b"x"), false).is_ok() {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                });
                assert_eq!(response.await.expect("an answer").status(), 408);
            });
        },
    );
}
