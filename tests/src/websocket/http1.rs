//! WebSockets over HTTP/1.1 (RFC 6455 section 4.1), in clear text or over TLS.

use super::{Carrier, Handshake, WebSocket};
use crate::client::{Client, Stream};
use crate::response::Response;
use crate::server::Server;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The key of the RFC's example, and its answer (section 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Sends the request for a WebSocket.
pub(super) fn ask(server: &Server, handshake: &Handshake, buffer: Option<usize>) -> Client {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n",
        handshake.target
    );
    for (name, value) in &handshake.fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let client = server.connector().connect_with(&["http/1.1"], buffer);
    let mut client = client.unwrap_or_else(|error| panic!("connect to {}: {error}", server.address()));
    client.send(request);
    client
}

/// Reads the response to it.
pub(super) fn open(mut client: Client) -> Result<WebSocket, Response> {
    let head = client.head();
    if head.status != 101 {
        return Err(client.rest_of(head));
    }
    assert_eq!(head.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(head.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
    let (stream, unread) = client.into_parts();
    Ok(WebSocket::over(Box::new(Http1(stream)), head, unread))
}

struct Http1(Stream);

impl Carrier for Http1 {
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        self.0.set_write_timeout(limit);
        self.0.write(bytes)
    }

    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        self.0.set_read_timeout(limit);
        let mut block = vec![0; 65536];
        let count = self.0.read(&mut block)?;
        block.truncate(count);
        Ok(block)
    }

    fn finish(&mut self) {
        self.0.finish().expect("the connection is open");
    }

    fn abort(self: Box<Self>) {
        self.0.reset_on_close();
    }
}
