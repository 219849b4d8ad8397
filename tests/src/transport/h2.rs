//! HTTP/2 by the `h2` crate, as a client with its own runtime and thread.

use super::ask::{Ask, Body};
use super::exchange::Event;
use super::{End, Head};
use crate::secured::{Connector, NAME};
use crate::wait::PATIENCE;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// A connection.
pub(crate) struct Connection {
    runtime: Arc<Runtime>,
    requests: SendRequest<Bytes>,
    scheme: &'static str,
    abort: AbortHandle,
}

/// The client's sending side.
#[derive(Debug)]
pub struct Upload {
    runtime: Arc<Runtime>,
    stream: SendStream<Bytes>,
    ended: bool,
}

/// The client's receiving side.
#[derive(Debug)]
pub(super) struct Download {
    runtime: Arc<Runtime>,
    response: Option<ResponseFuture>,
    stream: Option<RecvStream>,
    ended: Option<(End, Vec<(String, String)>)>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Waits for a future that must complete; panics if it does not.
pub(crate) fn wait<T>(runtime: &Runtime, what: &str, future: impl Future<Output = T>) -> T {
    let waited = runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await });
    waited.unwrap_or_else(|_| panic!("did not happen within {PATIENCE:?}: {what}"))
}

impl Connection {
    /// Connects, by ALPN or with prior knowledge, or returns the error.
    pub(crate) fn open(connector: &Connector, tls: bool, buffer: Option<usize>) -> io::Result<Self> {
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let socket = connector.socket(buffer)?;
        socket.set_nonblocking(true)?;
        let (requests, abort) = wait(&runtime, "an HTTP/2 handshake", async {
            let socket = tokio::net::TcpStream::from_std(socket)?;
            if !tls {
                return start(&runtime, socket).await;
            }
            let config = connector.config(&["h2"]).expect("the server speaks TLS");
            let name = NAME.try_into().expect("a DNS name");
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, socket).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            start(&runtime, stream).await
        })?;
        Ok(Self { runtime, requests, scheme: if tls { "https" } else { "http" }, abort })
    }

    /// Begins a request.
    pub(super) fn ask(&self, ask: &Ask) -> io::Result<(Upload, Download)> {
        let mut request = http::Request::builder()
            .version(http::Version::HTTP_2)
            .method(&*ask.method)
            .uri(format!("{}://test{}", self.scheme, ask.path));
        for (name, value) in &ask.headers {
            let value: Vec<u8> = value.chars().map(|c| u8::try_from(c).expect("latin-1")).collect();
            request = request.header(name, value);
        }
        if let Body::Length(length) = ask.body {
            request = request.header("content-length", length);
        }
        let request = request.body(()).expect("a request that HTTP has");
        let requests = self.requests.clone();
        let ended = ask.body.is_none() || ask.body == Body::Length(0);
        let (response, stream) = wait(&self.runtime, "a stream opens", async {
            let mut requests = requests.ready().await?;
            requests.send_request(request, ended)
        })
        .map_err(io::Error::other)?;
        let upload = Upload { runtime: Arc::clone(&self.runtime), stream, ended };
        let runtime = Arc::clone(&self.runtime);
        Ok((upload, Download { runtime, response: Some(response), stream: None, ended: None }))
    }

    /// Its runtime, and the handle to begin requests.
    pub(crate) fn parts(&self) -> (Arc<Runtime>, SendRequest<Bytes>) {
        (Arc::clone(&self.runtime), self.requests.clone())
    }

    /// The scheme of its requests.
    pub(crate) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Closes the socket without GOAWAY.
    pub(crate) fn abort(self) {
        self.abort.abort();
    }
}

/// Does the handshake, and passes the connection to a thread.
async fn start<S>(runtime: &Arc<Runtime>, stream: S) -> io::Result<(SendRequest<Bytes>, AbortHandle)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = h2::client::Builder::new().enable_push(false).handshake(stream).await;
    let (requests, connection) = handshake.map_err(io::Error::other)?;
    let connection = runtime.spawn(connection);
    let abort = connection.abort_handle();
    let runtime = Arc::clone(runtime);
    // Every stream reports the connection's error.
    std::thread::spawn(move || drop(runtime.block_on(connection)));
    Ok((requests, abort))
}

impl Upload {
    pub(super) fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut rest = Bytes::copy_from_slice(piece);
        while !rest.is_empty() {
            let room = wait(&self.runtime, "room for the body", room(&mut self.stream, rest.len()))?;
            let next = rest.split_to(room.min(rest.len()));
            self.stream.send_data(next, false).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.ended, true) {
            self.stream.send_data(Bytes::new(), true).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(super) fn pump(&mut self, piece: &[u8], limit: usize, patience: Duration) -> usize {
        let mut sent = 0;
        while sent < limit {
            let want = piece.len().min(limit - sent);
            let room = async { tokio::time::timeout(patience, room(&mut self.stream, want)).await };
            let Ok(Ok(room)) = self.runtime.block_on(room) else { break };
            let next = Bytes::copy_from_slice(&piece[..room.min(want)]);
            sent += next.len();
            self.stream.send_data(next, false).expect("there is room");
        }
        sent
    }

    pub(super) fn cancel(mut self) {
        self.stream.send_reset(h2::Reason::CANCEL);
    }
}

/// Waits until some of `want` bytes can be sent; returns how many.
pub(crate) async fn room(stream: &mut SendStream<Bytes>, want: usize) -> io::Result<usize> {
    stream.reserve_capacity(want);
    loop {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(0)) => {}
            Some(Ok(room)) => return Ok(room),
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Download {
    /// The next interim response, or the response.
    pub(super) fn head(&mut self) -> Result<Head, End> {
        let response = self.response.as_mut().expect("the head comes once");
        let next = async {
            match poll_fn(|cx| response.poll_informational(cx)).await {
                Some(interim) => interim.map(|interim| (interim, None)),
                None => response.await.map(|response| {
                    let (parts, stream) = response.into_parts();
                    (http::Response::from_parts(parts, ()), Some(stream))
                }),
            }
        };
        let (response, stream) = wait(&self.runtime, "a response", next).map_err(|error| end_of(&error))?;
        if stream.is_some() {
            self.stream = stream;
            self.response = None;
        }
        Ok(Head { status: response.status().as_u16(), headers: fields(response.headers()) })
    }

    pub(super) fn event(&mut self) -> Event {
        if let Some((end, trailers)) = self.ended.clone() {
            return Event::End(end, trailers);
        }
        let stream = self.stream.as_mut().expect("the head comes first");
        let next = async {
            while let Some(piece) = poll_fn(|cx| stream.poll_data(cx)).await {
                let piece = piece?;
                stream.flow_control().release_capacity(piece.len())?;
                if !piece.is_empty() {
                    return Ok(Some(piece.to_vec()));
                }
            }
            Ok(None)
        };
        let ended = match wait(&self.runtime, "more of a body", next) {
            Ok(Some(piece)) => return Event::Piece(piece),
            Ok(None) => wait(&self.runtime, "trailers", poll_fn(|cx| stream.poll_trailers(cx))),
            Err(error) => Err(error),
        };
        let (end, trailers) = match ended {
            Ok(trailers) => (End::Complete, trailers.as_ref().map(fields).unwrap_or_default()),
            Err(error) => (end_of(&error), Vec::new()),
        };
        self.ended = Some((end.clone(), trailers.clone()));
        Event::End(end, trailers)
    }
}

pub(crate) fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn end_of(error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => End::Reset(name(reason)),
        Some(reason) if error.is_reset() => panic!("the server broke the protocol: {reason:?} {error}"),
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => End::TurnedAway,
        _ => End::Closed,
    }
}

/// A code's name in RFC 9113 section 7.
fn name(reason: h2::Reason) -> &'static str {
    match reason {
        h2::Reason::NO_ERROR => "NO_ERROR",
        h2::Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        h2::Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        h2::Reason::REFUSED_STREAM => "REFUSED_STREAM",
        h2::Reason::CANCEL => "CANCEL",
        h2::Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        h2::Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        other => panic!("code {other:?}"),
    }
}
