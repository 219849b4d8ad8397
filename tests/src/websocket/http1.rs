//! WebSockets over HTTP/1.1 (RFC 6455 section 4.1).

use super::{Carrier, Handshake, WebSocket};
use crate::response::{Response, Responses};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The key of the RFC's own example, and what answers it (section 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A stream over a TCP connection.
pub(super) trait Wire: Read + Write + 'static {
    /// The connection below it.
    fn tcp(&self) -> &TcpStream;

    /// Tells the server that nothing more comes, where the stream has a way to.
    fn say_end(&mut self) {}
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// Sends the request for a WebSocket.
pub(super) fn ask<W: Wire>(mut wire: W, handshake: &Handshake) -> W {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n",
        handshake.target
    );
    for (name, value) in &handshake.fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    wire.write_all(request.as_bytes()).expect("the server takes the request");
    wire
}

/// Asks for a WebSocket. The response, if it is refused.
pub(super) fn open(wire: impl Wire, handshake: &Handshake) -> Result<WebSocket, Response> {
    let mut responses = Responses::over(ask(wire, handshake));
    let head = responses.head();
    if head.status != 101 {
        return Err(responses.rest_of(head));
    }
    assert_eq!(head.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
    let (wire, unread) = responses.into_parts();
    Ok(WebSocket::over(Box::new(Http1(wire)), head, unread))
}

struct Http1<W>(W);

impl<W: Wire> Carrier for Http1<W> {
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        self.0.tcp().set_write_timeout(Some(limit))?;
        self.0.write(bytes)
    }

    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        self.0.tcp().set_read_timeout(Some(limit))?;
        let mut block = vec![0; 65536];
        let count = self.0.read(&mut block)?;
        block.truncate(count);
        Ok(block)
    }

    fn finish(&mut self) {
        self.0.say_end();
        self.0.tcp().shutdown(std::net::Shutdown::Write).expect("the connection is open");
    }

    fn abort(self: Box<Self>) {
        let socket = socket2::SockRef::from(self.0.tcp());
        socket.set_linger(Some(Duration::ZERO)).expect("an open socket takes options");
    }
}
