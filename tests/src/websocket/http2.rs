//! WebSockets over HTTP/2 (RFC 8441), in clear text or over TLS: an extended CONNECT, then frames as data.

use super::{Carrier, Handshake, WebSocket};
use crate::response::Response;
use crate::server::Server;
use crate::transport::h2::{Connection, fields, room, wait};
use crate::wait::eventually;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use std::future::poll_fn;
use std::io;
use std::time::Duration;

/// A request that is under way. Dropping it resets the stream.
pub(super) struct Asked {
    connection: Connection,
    response: ResponseFuture,
    send: SendStream<Bytes>,
}

struct Http2 {
    connection: Connection,
    send: SendStream<Bytes>,
    receive: RecvStream,
}

impl Asked {
    /// Sends the request, once the server has said that it takes such (section 3).
    pub(super) fn ask(server: &Server, tls: bool, handshake: &Handshake, buffer: Option<usize>) -> Self {
        let connection = Connection::open(&server.connector(), tls, buffer);
        let connection = connection.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        let (runtime, mut requests) = connection.parts();
        eventually("SETTINGS_ENABLE_CONNECT_PROTOCOL comes", || {
            requests.is_extended_connect_protocol_enabled().then_some(())
        });
        let mut request = http::Request::builder()
            .version(http::Version::HTTP_2)
            .method("CONNECT")
            .uri(format!("{}://test{}", if tls { "https" } else { "http" }, handshake.target))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        for (name, value) in &handshake.fields {
            request = request.header(name, value.as_bytes());
        }
        let request = request.body(()).expect("a request that HTTP has");
        let (response, send) = wait(&runtime, "a stream opens", async {
            poll_fn(|cx| requests.poll_ready(cx)).await?;
            requests.send_request(request, false)
        })
        .expect("the server takes streams");
        Self { connection, response, send }
    }

    /// Reads the response to it.
    pub(super) fn open(self) -> Result<WebSocket, Response> {
        let (runtime, _) = self.connection.parts();
        let response = wait(&runtime, "a response", self.response).expect("the stream is answered");
        let (parts, mut receive) = response.into_parts();
        let mut head = Response {
            version: "HTTP/2".to_owned(),
            status: parts.status.as_u16(),
            headers: fields(&parts.headers),
            body: Vec::new(),
            trailers: Vec::new(),
        };
        if head.status != 200 {
            while let Some(piece) = wait(&runtime, "more of a body", poll_fn(|cx| receive.poll_data(cx))) {
                head.body.extend(piece.expect("the response is whole"));
            }
            return Err(head);
        }
        // RFC 8441 section 5: there is no key, and no Connection or Upgrade in HTTP/2.
        for name in ["sec-websocket-accept", "connection", "upgrade", "content-length", "transfer-encoding"] {
            assert_eq!(head.header(name), None, "{head:?}");
        }
        let carrier = Http2 { connection: self.connection, send: self.send, receive };
        Ok(WebSocket::over(Box::new(carrier), head, Vec::new()))
    }
}

impl Carrier for Http2 {
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        let (runtime, _) = self.connection.parts();
        let room = async { tokio::time::timeout(limit, room(&mut self.send, bytes.len())).await };
        let count = runtime.block_on(room).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let count = count.min(bytes.len());
        self.send.send_data(Bytes::copy_from_slice(&bytes[..count]), false).map_err(io::Error::other)?;
        Ok(count)
    }

    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let (runtime, _) = self.connection.parts();
        loop {
            let next = poll_fn(|cx| self.receive.poll_data(cx));
            let next = runtime.block_on(async { tokio::time::timeout(limit, next).await });
            let next = next.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            let Some(piece) = next else { return Ok(Vec::new()) };
            let piece = piece.map_err(io::Error::other)?;
            self.receive.flow_control().release_capacity(piece.len()).map_err(io::Error::other)?;
            // An empty piece comes with an end, which is told of next.
            if !piece.is_empty() {
                return Ok(piece.to_vec());
            }
        }
    }

    fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).expect("the stream is open");
    }

    fn abort(mut self: Box<Self>) {
        self.send.send_reset(h2::Reason::CANCEL);
    }
}
