//! HTTP/1.1 over the harness's connection and parser.

use super::ask::{Ask, Body};
use super::exchange::Event;
use super::{End, Head};
use crate::client::Client;
use crate::secured::Connector;
use std::io;
use std::time::Duration;

/// The client's sending side.
#[derive(Debug)]
pub struct Upload {
    client: Client,
    body: Body,
}

/// The client's receiving side.
#[derive(Debug)]
pub(super) struct Download {
    client: Client,
    is_head: bool,
    stage: Stage,
    closes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Head,
    /// This many bytes are left.
    Length(usize),
    /// A chunk's size comes next.
    Chunked,
    /// The body ends with the connection.
    UntilClosed,
    Ended(End, Vec<(String, String)>),
}

pub(super) fn open(
    connector: &Connector,
    buffer: Option<usize>,
    ask: &Ask,
) -> io::Result<(Upload, Download)> {
    let mut client = connector.connect_with(&["http/1.1"], buffer)?;
    if let Some(stream) = client.tls_stream() {
        assert_eq!(stream.alpn().as_deref(), Some("http/1.1"));
    }
    client.try_send(head(ask))?;
    let upload = Upload { client: client.other_half(), body: ask.body };
    Ok((upload, Download::of(client, ask)))
}

pub(super) fn again(mut upload: Upload, download: Download, ask: &Ask) -> io::Result<(Upload, Download)> {
    assert!(matches!(download.stage, Stage::Ended(End::Complete, _)), "the response before is not read");
    if download.closes {
        return Err(io::Error::other("the response before said close"));
    }
    upload.client.try_send(head(ask))?;
    upload.body = ask.body;
    Ok((upload, Download::of(download.client, ask)))
}

fn head(ask: &Ask) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\nhost: test\r\n", ask.method, ask.path);
    for (name, value) in &ask.headers {
        text += &format!("{name}: {value}\r\n");
    }
    match ask.body {
        Body::None => {}
        Body::Length(length) => text += &format!("content-length: {length}\r\n"),
        Body::Streamed => text += "transfer-encoding: chunked\r\n",
    }
    text += "\r\n";
    text.chars().map(|c| u8::try_from(c).expect("headers are latin-1")).collect()
}

impl Upload {
    pub(super) fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        match self.body {
            Body::None => panic!("a request without a body has no pieces"),
            Body::Length(_) => self.client.try_send(piece),
            Body::Streamed if piece.is_empty() => Ok(()),
            Body::Streamed => {
                let size = format!("{:x}\r\n", piece.len());
                self.client.try_send([size.as_bytes(), piece, b"\r\n"].concat())
            }
        }
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.body == Body::Streamed { self.client.try_send("0\r\n\r\n") } else { Ok(()) }
    }

    pub(super) fn pump(&mut self, piece: &[u8], limit: usize, patience: Duration) -> usize {
        assert!(matches!(self.body, Body::Length(_)), "a chunk cannot be sent in part");
        self.client.pump(piece, limit, patience)
    }

    pub(super) fn abort(self) {
        self.client.abort();
    }
}

impl Download {
    fn of(client: Client, ask: &Ask) -> Self {
        Self { client, is_head: ask.method == "HEAD", stage: Stage::Head, closes: false }
    }

    pub(super) fn head(&mut self) -> Result<Head, End> {
        if !self.client.has(b"\r\n\r\n") {
            self.stage = Stage::Ended(End::Closed, Vec::new());
            return Err(End::Closed);
        }
        let response = self.client.head();
        assert_eq!(response.version, "HTTP/1.1");
        if response.status >= 200 {
            self.closes = response.says_close();
            let coding = response.header("transfer-encoding");
            let length = response.header("content-length");
            let bodiless = self.is_head || matches!(response.status, 204 | 304);
            self.stage = match (coding, length) {
                (Some(_), Some(_)) => panic!("two framings: {response:?}"),
                _ if bodiless => Stage::Ended(End::Complete, Vec::new()),
                (Some("chunked"), None) => Stage::Chunked,
                (Some(other), None) => panic!("transfer coding {other:?}"),
                (None, Some(length)) => Stage::Length(length.parse().expect("a length is a number")),
                (None, None) => Stage::UntilClosed,
            };
        }
        let lower = response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let headers = lower.filter(|(name, _)| !matches!(&**name, "connection" | "transfer-encoding"));
        Ok(Head { status: response.status, headers: headers.collect() })
    }

    pub(super) fn event(&mut self) -> Event {
        let (next, event) = match self.stage.clone() {
            Stage::Head => panic!("the head comes first"),
            Stage::Length(0) => self.ended(End::Complete, Vec::new()),
            Stage::Length(left) => {
                let piece = self.client.some(left);
                if piece.is_empty() {
                    self.ended(End::Closed, Vec::new())
                } else {
                    (Stage::Length(left - piece.len()), Event::Piece(piece))
                }
            }
            Stage::Chunked => self.chunk(),
            Stage::UntilClosed => {
                let piece = self.client.some(usize::MAX);
                if piece.is_empty() {
                    self.ended(End::Complete, Vec::new())
                } else {
                    (Stage::UntilClosed, Event::Piece(piece))
                }
            }
            Stage::Ended(end, trailers) => self.ended(end, trailers),
        };
        self.stage = next;
        event
    }

    fn chunk(&mut self) -> (Stage, Event) {
        if !self.client.has(b"\r\n") {
            return self.ended(End::Closed, Vec::new());
        }
        let line = self.client.responses().line();
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("chunk size {line:?}"));
        if size == 0 {
            let trailers = self.client.responses().fields();
            return self.ended(End::Complete, trailers);
        }
        if !self.client.responses().has(size + 2) {
            return self.ended(End::Closed, Vec::new());
        }
        let piece = self.client.take(size);
        assert_eq!(self.client.take(2), b"\r\n", "a chunk ends with CRLF");
        (Stage::Chunked, Event::Piece(piece))
    }

    /// A response with `close` must be the last output.
    fn ended(&mut self, end: End, trailers: Vec<(String, String)>) -> (Stage, Event) {
        if end == End::Complete && self.closes {
            self.client.expect_closed();
        }
        (Stage::Ended(end.clone(), trailers.clone()), Event::End(end, trailers))
    }
}
