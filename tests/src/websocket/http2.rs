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
use http::Request;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A connection that WebSockets share.
#[derive(Debug)]
pub struct Shared(Connection);

/// A request in progress. Dropping it resets the stream.
pub(super) struct Asked {
    runtime: Arc<Runtime>,
    response: ResponseFuture,
    send: SendStream<Bytes>,
}

struct Http2 {
    runtime: Arc<Runtime>,
    send: SendStream<Bytes>,
    receive: RecvStream,
}

impl Shared {
    /// Connects.
    pub fn connect(server: &Server, tls: bool, buffer: Option<usize>) -> Self {
        let connection = Connection::open(&server.connector(), tls, buffer);
        Self(connection.unwrap_or_else(|error| panic!("cannot connect: {error}")))
    }

    /// Whether the server has announced that it supports extended CONNECT (section 3).
    pub fn takes_websockets(&self) -> bool {
        self.0.parts().1.is_extended_connect_protocol_enabled()
    }

    /// Requests a WebSocket.
    pub fn upgrade(&self, handshake: &Handshake) -> Result<WebSocket, Response> {
        self.ask(self.extended_connect("websocket", "13", handshake)).open()
    }

    /// Requests another protocol or version.
    pub fn upgrade_to(
        &self,
        protocol: &str,
        version: &str,
        handshake: &Handshake,
    ) -> Result<WebSocket, Response> {
        self.ask(self.extended_connect(protocol, version, handshake)).open()
    }

    /// Requests `path` without an upgrade; panics without a response.
    pub fn get(&self, path: &str) -> Response {
        let request = http::Request::builder().version(http::Version::HTTP_2);
        let request = request.uri(format!("{}://test{path}", self.0.scheme())).body(());
        let mut asked = self.ask(request.expect("a request that HTTP has"));
        asked.send.send_data(Bytes::new(), true).expect("the stream is open");
        asked.response()
    }

    /// Closes the socket without GOAWAY.
    pub fn abort(self) {
        self.0.abort();
    }

    fn extended_connect(&self, protocol: &str, version: &str, handshake: &Handshake) -> Request<()> {
        eventually("SETTINGS_ENABLE_CONNECT_PROTOCOL comes", || self.takes_websockets().then_some(()));
        let mut request = http::Request::builder()
            .version(http::Version::HTTP_2)
            .method("CONNECT")
            .uri(format!("{}://test{}", self.0.scheme(), handshake.target))
            .extension(Protocol::from(protocol))
            .header("sec-websocket-version", version);
        for (name, value) in &handshake.fields {
            request = request.header(name, value.as_bytes());
        }
        request.body(()).expect("a request that HTTP has")
    }

    fn ask(&self, request: Request<()>) -> Asked {
        let (runtime, mut requests) = self.0.parts();
        let (response, send) = wait(&runtime, "a stream opens", async {
            poll_fn(|cx| requests.poll_ready(cx)).await?;
            requests.send_request(request, false)
        })
        .expect("the server takes streams");
        Asked { runtime, response, send }
    }
}

impl Asked {
    /// Sends the request on a new connection.
    pub(super) fn ask(server: &Server, tls: bool, handshake: &Handshake, buffer: Option<usize>) -> Self {
        let connection = Shared::connect(server, tls, buffer);
        connection.ask(connection.extended_connect("websocket", "13", handshake))
    }

    fn head(&mut self) -> (Response, RecvStream) {
        let response = wait(&self.runtime, "a response", &mut self.response).expect("the stream is answered");
        let (parts, receive) = response.into_parts();
        let head = Response {
            version: "HTTP/2".to_owned(),
            status: parts.status.as_u16(),
            headers: fields(&parts.headers),
            body: Vec::new(),
            trailers: Vec::new(),
        };
        (head, receive)
    }

    fn response(mut self) -> Response {
        let (head, receive) = self.head();
        self.rest_of(head, receive)
    }

    fn rest_of(&self, mut head: Response, mut receive: RecvStream) -> Response {
        while let Some(piece) = wait(&self.runtime, "more of a body", poll_fn(|cx| receive.poll_data(cx))) {
            head.body.extend(piece.expect("the response is whole"));
        }
        head
    }

    /// Reads the response to it.
    pub(super) fn open(mut self) -> Result<WebSocket, Response> {
        let (head, receive) = self.head();
        if head.status != 200 {
            return Err(self.rest_of(head, receive));
        }
        // RFC 8441 section 5: there is no key, and no Connection or Upgrade in HTTP/2.
        for name in ["sec-websocket-accept", "connection", "upgrade", "content-length", "transfer-encoding"] {
            assert_eq!(head.header(name), None, "{head:?}");
        }
        let carrier = Http2 { runtime: self.runtime, send: self.send, receive };
        Ok(WebSocket::over(Box::new(carrier), head, Vec::new()))
    }
}

impl Carrier for Http2 {
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        let room = async { tokio::time::timeout(limit, room(&mut self.send, bytes.len())).await };
        let count = self.runtime.block_on(room).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let count = count.min(bytes.len());
        self.send.send_data(Bytes::copy_from_slice(&bytes[..count]), false).map_err(io::Error::other)?;
        Ok(count)
    }

    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        loop {
            let next = poll_fn(|cx| self.receive.poll_data(cx));
            let next = self.runtime.block_on(async { tokio::time::timeout(limit, next).await });
            let next = next.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            let Some(piece) = next else { return Ok(Vec::new()) };
            let piece = piece.map_err(io::Error::other)?;
            self.receive.flow_control().release_capacity(piece.len()).map_err(io::Error::other)?;
            // An empty piece precedes the end, which the next call reports.
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
