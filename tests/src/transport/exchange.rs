//! One request and its response, in two halves for two threads.

use super::ask::{Ask, Body};
use super::{Answer, End, Head, Transport, h1, h2};
use crate::secured::Connector;
use std::io;
use std::time::Duration;

/// A request under way.
#[derive(Debug)]
pub struct Exchange {
    /// The side that sends.
    pub upload: Upload,
    /// The side that receives.
    pub download: Download,
    next: Next,
}

/// The connection, for the next request.
#[derive(Debug)]
enum Next {
    Http1,
    Http2(h2::Connection),
}

/// The side that sends the request's body.
#[derive(Debug)]
pub enum Upload {
    /// Over HTTP/1.1.
    Http1(h1::Upload),
    /// Over HTTP/2.
    Http2(h2::Upload),
}

/// The side that receives the response.
#[derive(Debug)]
pub struct Download {
    half: Half,
    interim: Vec<Head>,
    head: Option<Head>,
}

#[derive(Debug)]
enum Half {
    Http1(h1::Download),
    Http2(h2::Download),
}

/// The next part of a response.
#[derive(Debug)]
pub(super) enum Event {
    /// A piece of the body, never empty.
    Piece(Vec<u8>),
    /// The end.
    End(End, Vec<(String, String)>),
}

impl Exchange {
    /// Sends the request over a new connection, or returns the error.
    pub(super) fn open(
        transport: Transport,
        connector: &Connector,
        ask: &Ask,
        buffer: Option<usize>,
    ) -> io::Result<Self> {
        if transport.is_http2() {
            let connection = h2::Connection::open(connector, transport.is_tls(), buffer)?;
            return Self::over_http2(connection, ask);
        }
        let (upload, download) = h1::open(connector, buffer, ask)?;
        Ok(Self::over_http1(upload, download))
    }

    fn over_http1(upload: h1::Upload, download: h1::Download) -> Self {
        Self {
            upload: Upload::Http1(upload),
            download: Download::new(Half::Http1(download)),
            next: Next::Http1,
        }
    }

    fn over_http2(connection: h2::Connection, ask: &Ask) -> io::Result<Self> {
        let (upload, download) = connection.ask(ask)?;
        let download = Download::new(Half::Http2(download));
        Ok(Self { upload: Upload::Http2(upload), download, next: Next::Http2(connection) })
    }

    /// Sends another request over the same connection, once the response is read.
    pub fn again(self, ask: &Ask) -> Self {
        self.try_again(ask).unwrap_or_else(|error| panic!("cannot ask again: {error}"))
    }

    /// Sends another request over the same connection, or returns the error.
    pub(super) fn try_again(self, ask: &Ask) -> io::Result<Self> {
        match (self.next, self.upload, self.download.half) {
            (Next::Http2(connection), ..) => Self::over_http2(connection, ask),
            (Next::Http1, Upload::Http1(upload), Half::Http1(download)) => {
                let (upload, download) = h1::again(upload, download, ask)?;
                Ok(Self::over_http1(upload, download))
            }
            _ => unreachable!("both halves are of one connection"),
        }
    }

    /// Sends a piece of the body, and waits until the connection has accepted it.
    pub fn send(&mut self, piece: impl AsRef<[u8]>) -> &mut Self {
        self.upload.send(piece.as_ref()).expect("the server takes what is sent");
        self
    }

    /// Sends the end of the body.
    pub fn finish(&mut self) -> &mut Self {
        self.upload.finish().expect("the server takes what is sent");
        self
    }

    /// Sends the pieces and the end while it waits for the whole answer. The server need not accept all of them.
    pub fn stream<P: AsRef<[u8]>>(self, pieces: impl IntoIterator<Item = P> + Send + 'static) -> Answer {
        let (mut upload, download) = (self.upload, self.download);
        let sender = std::thread::spawn(move || {
            for piece in pieces {
                upload.send(piece.as_ref())?;
            }
            upload.finish()
        });
        let answer = download.answer();
        // The answer has the outcome.
        let _ = sender.join().expect("sending gives errors and does not panic");
        answer
    }

    /// Waits for the next interim response.
    pub fn interim(&mut self) -> Head {
        self.download.interim()
    }

    /// Waits for the head of the response.
    pub fn head(&mut self) -> &Head {
        self.download.head()
    }

    /// Waits for the next piece of the body, which is never empty; none at any kind of end.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        self.download.piece()
    }

    /// Waits until as many bytes of the body have come as `text` has, and shows that they are equal.
    pub fn expect_piece(&mut self, text: &str) {
        let mut body = Vec::new();
        while body.len() < text.len() {
            body.extend(self.piece().unwrap_or_else(|| panic!("ended after {body:?}")));
        }
        assert_eq!(String::from_utf8_lossy(&body), text);
    }

    /// Waits for the rest.
    pub fn answer(self) -> Answer {
        self.download.answer()
    }

    /// Gives up the request: closes the connection of HTTP/1.1, resets the stream of HTTP/2.
    pub fn leave(self) {
        match self.upload {
            Upload::Http1(upload) => upload.abort(),
            Upload::Http2(upload) => upload.cancel(),
        }
    }

    /// Loses the client's connection.
    pub fn vanish(self) {
        match (self.upload, self.next) {
            (Upload::Http1(upload), _) => upload.abort(),
            (_, Next::Http2(connection)) => connection.abort(),
            (Upload::Http2(_), Next::Http1) => unreachable!("both are of one connection"),
        }
    }
}

impl Upload {
    /// Sends a piece, and waits until the connection has accepted it.
    pub fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Http1(half) => half.send(piece),
            Self::Http2(half) => half.send(piece),
        }
    }

    /// Sends the end.
    pub fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Http1(half) => half.finish(),
            Self::Http2(half) => half.finish(),
        }
    }

    /// Sends `piece` again and again until nothing is accepted for `patience` or `limit` bytes are sent; returns how
    /// many were. For a body with a declared length.
    pub fn pump(&mut self, piece: &[u8], limit: usize, patience: Duration) -> usize {
        match self {
            Self::Http1(half) => half.pump(piece, limit, patience),
            Self::Http2(half) => half.pump(piece, limit, patience),
        }
    }
}

impl Download {
    fn new(half: Half) -> Self {
        Self { half, interim: Vec::new(), head: None }
    }

    fn next_head(&mut self) -> Result<Head, End> {
        match &mut self.half {
            Half::Http1(half) => half.head(),
            Half::Http2(half) => half.head(),
        }
    }

    fn interim(&mut self) -> Head {
        let head = self.next_head().unwrap_or_else(|end| panic!("{end:?} in place of an interim response"));
        assert!(head.status < 200, "{head:?} in place of an interim response");
        self.interim.push(head.clone());
        head
    }

    fn try_head(&mut self) -> Result<(), End> {
        while self.head.is_none() {
            let head = self.next_head()?;
            if head.status < 200 {
                self.interim.push(head);
            } else {
                self.head = Some(head);
            }
        }
        Ok(())
    }

    /// Waits for the head of the response.
    pub fn head(&mut self) -> &Head {
        self.try_head().unwrap_or_else(|end| panic!("{end:?} in place of a response"));
        self.head.as_ref().expect("it has just come")
    }

    fn event(&mut self) -> Event {
        match &mut self.half {
            Half::Http1(half) => half.event(),
            Half::Http2(half) => half.event(),
        }
    }

    /// Waits for the next piece of the body, which is never empty; none at any kind of end.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        self.head();
        match self.event() {
            Event::Piece(piece) => Some(piece),
            Event::End(..) => None,
        }
    }

    /// Waits for the rest.
    pub fn answer(mut self) -> Answer {
        self.rest()
    }

    /// Waits for the rest; does not repeat earlier parts.
    pub(super) fn rest(&mut self) -> Answer {
        let mut body = Vec::new();
        let (end, trailers) = match self.try_head() {
            Err(end) => (end, Vec::new()),
            Ok(()) => loop {
                match self.event() {
                    Event::Piece(piece) => body.extend(piece),
                    Event::End(end, trailers) => break (end, trailers),
                }
            },
        };
        Answer { interim: self.interim.clone(), head: self.head.clone(), body, trailers, end }
    }
}

impl Body {
    pub(super) fn is_none(self) -> bool {
        self == Self::None
    }
}
