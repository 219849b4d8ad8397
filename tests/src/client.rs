//! One connection to the server, over TCP, TLS or a Unix socket: "send this, expect that".

use crate::response::{Response, Responses};
use crate::tls::TlsStream;
use crate::wait::PATIENCE;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection. Every wait on it is bounded.
#[derive(Debug)]
pub struct Client {
    responses: Responses<Stream>,
}

/// The transport of a connection.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(TlsStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl Client {
    /// Connects to a TCP address.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::try_tcp(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Connects to a TCP address, or returns the error.
    pub fn try_tcp(address: SocketAddr) -> io::Result<Self> {
        socket(address, None).map(Self::on)
    }

    /// Connects with a receive buffer of about `size` bytes, so that the server soon notices a reader that stops.
    pub fn tcp_with_receive_buffer(address: SocketAddr, size: usize) -> Self {
        let socket = socket(address, Some(size));
        Self::over(Stream::Tcp(socket.unwrap_or_else(|error| panic!("connect to {address}: {error}"))))
    }

    /// Uses a connected socket.
    pub fn on(socket: TcpStream) -> Self {
        Self::over(Stream::Tcp(socket))
    }

    /// Connects to a Unix socket.
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("connect to {path:?}: {error}"));
        Self::over(Stream::Unix(stream))
    }

    /// Uses a connection whose TLS handshake is complete.
    pub fn tls(stream: TlsStream) -> Self {
        Self::over(Stream::Tls(stream))
    }

    fn over(stream: Stream) -> Self {
        let client = Self { responses: Responses::over(stream) };
        client.stream().set_timeouts(PATIENCE);
        client
    }

    fn stream(&self) -> &Stream {
        self.responses.source_ref()
    }

    /// Sends bytes, all of them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the server takes what is sent");
        self
    }

    /// Sends bytes, or returns the error: a server that refuses a request may close before it is sent.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.responses.source();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends each piece by itself, with a pause between them so that they arrive apart.
    pub fn send_split<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> &mut Self {
        for piece in pieces {
            self.send(piece);
            std::thread::sleep(Duration::from_millis(2));
        }
        self
    }

    /// Sends `block` again and again until the server closes, stops reading for `patience`, or `limit`
    /// bytes are sent; returns the number of bytes sent.
    pub fn pump(&mut self, block: &[u8], limit: usize, patience: Duration) -> usize {
        self.stream().set_write_timeout(patience);
        let mut sent = 0;
        while sent < limit {
            let from = sent % block.len();
            let to = block.len().min(from + limit - sent);
            match self.responses.source().write(&block[from..to]) {
                Ok(0) | Err(_) => break,
                Ok(count) => sent += count,
            }
        }
        self.stream().set_write_timeout(PATIENCE);
        sent
    }

    /// Sends a GET for `target` that keeps the connection.
    pub fn get(&mut self, target: &str) -> &mut Self {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// Reads one response to a request of any method but HEAD.
    pub fn response(&mut self) -> Response {
        self.responses.response()
    }

    /// Reads a response to HEAD: only the head.
    pub fn response_to_head(&mut self) -> Response {
        self.responses.head()
    }

    /// Reads a status line and headers, and leaves the body unread.
    pub fn head(&mut self) -> Response {
        self.responses.head()
    }

    /// Reads exactly `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        self.responses.take(count)
    }

    /// Reads everything until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        self.responses.rest()
    }

    /// Waits until the server closes without sending anything more.
    pub fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "expected the end, got {:?}", String::from_utf8_lossy(&rest));
    }

    /// Shows that the server neither sends nor closes for `time`.
    pub fn expect_silence(&mut self, time: Duration) {
        assert!(self.responses.unread().is_empty(), "unread: {:?}", self.responses.unread());
        self.stream().set_read_timeout(time);
        let mut block = [0; 1024];
        match self.responses.source().read(&mut block) {
            Ok(0) => panic!("closed instead of staying silent"),
            Ok(count) => panic!("not silent: {:?}", String::from_utf8_lossy(&block[..count])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error} instead of silence"),
        }
        self.stream().set_read_timeout(PATIENCE);
    }

    /// Waits until the unread bytes contain `text`; false if the end comes first.
    pub(crate) fn has(&mut self, text: &[u8]) -> bool {
        self.responses.holds(text)
    }

    /// Reads some bytes, `most` at most; an empty result is the end.
    pub(crate) fn some(&mut self, most: usize) -> Vec<u8> {
        if !self.has_more() {
            return Vec::new();
        }
        let count = most.min(self.responses.unread().len());
        self.take(count)
    }

    pub(crate) fn responses(&mut self) -> &mut Responses<Stream> {
        &mut self.responses
    }

    /// The TLS connection, if it is one.
    pub fn tls_stream(&self) -> Option<&TlsStream> {
        match self.stream() {
            Stream::Tls(stream) => Some(stream),
            Stream::Tcp(_) | Stream::Unix(_) => None,
        }
    }

    /// Waits for a byte; false if the end comes first.
    pub fn has_more(&mut self) -> bool {
        !self.responses.unread().is_empty() || self.responses.fill()
    }

    /// Waits for a byte, or returns the error: refusals by TLS show here.
    pub fn try_has_more(&mut self) -> io::Result<bool> {
        self.responses.try_fill()
    }

    /// A second handle on the connection, to send from one thread and read from another.
    pub fn other_half(&self) -> Self {
        let stream = match self.stream() {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Tls(stream) => Ok(Stream::Tls(stream.clone())),
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        };
        Self::over(stream.expect("an open socket can be duplicated"))
    }

    /// Reads the body, if any, that belongs to a head already read.
    pub(crate) fn rest_of(&mut self, head: Response) -> Response {
        self.responses.rest_of(head)
    }

    /// The underlying connection, and bytes read from it but not yet consumed.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        self.responses.into_parts()
    }

    /// Closes only the sending side, like a client with nothing more to send.
    pub fn finish_sending(&mut self) {
        self.stream().finish().expect("the connection is open");
    }

    /// Disconnects at once: with unread or unsent data the server sees a reset.
    pub fn abort(self) {
        self.stream().reset_on_close();
    }
}

/// Connects to a TCP address, with a receive buffer of about a size.
pub(crate) fn socket(address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.connect_timeout(&address.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

impl Stream {
    fn set_timeouts(&self, limit: Duration) {
        self.set_read_timeout(limit);
        self.set_write_timeout(limit);
    }

    /// Closes the sending side only.
    pub(crate) fn finish(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Tls(stream) => stream.close(),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }

    /// Makes closing it a reset, if its family has resets.
    pub(crate) fn reset_on_close(&self) {
        let socket = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.socket(),
            Self::Unix(_) => return,
        };
        let set = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        set.expect("an open socket takes options");
    }

    pub(crate) fn set_read_timeout(&self, limit: Duration) {
        let set = match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            Self::Tls(stream) => stream.socket().set_read_timeout(Some(limit)),
            Self::Unix(stream) => stream.set_read_timeout(Some(limit)),
        };
        set.expect("timeouts are not zero");
    }

    pub(crate) fn set_write_timeout(&self, limit: Duration) {
        let set = match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(limit)),
            Self::Tls(stream) => stream.socket().set_write_timeout(Some(limit)),
            Self::Unix(stream) => stream.set_write_timeout(Some(limit)),
        };
        set.expect("timeouts are not zero");
    }
}

impl Read for Stream {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(block),
            Self::Tls(stream) => stream.read(block),
            Self::Unix(stream) => stream.read(block),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(block),
            Self::Tls(stream) => stream.write(block),
            Self::Unix(stream) => stream.write(block),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }
}
