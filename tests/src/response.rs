//! Responses, parsed strictly from a stream of bytes: a malformed response fails the test.

use std::io::{self, ErrorKind, Read};

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// Names as sent and values as latin-1, in order.
    pub headers: Vec<(String, String)>,
    /// The content, without its transfer coding.
    pub body: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Response {
    /// The value of a header that may occur only once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.header_values(name);
        assert!(values.len() <= 1, "{name} stands there {} times: {self:?}", values.len());
        values.first().copied()
    }

    /// Every value of a header, in order.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let matching = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether the response announces the end of the connection.
    pub fn says_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns itself, after checking that the status is `status`.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {:?}: {}", self.status, self.headers, self.text());
        self
    }
}

/// Errors that end a stream; the last is TLS without close_notify.
const ENDS: [ErrorKind; 3] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];

/// Reads responses one after the other.
#[derive(Debug)]
pub struct Responses<R> {
    source: R,
    unread: Vec<u8>,
}

impl<R: Read> Responses<R> {
    /// Reads from `source`.
    pub fn over(source: R) -> Self {
        Self { source, unread: Vec::new() }
    }

    /// The source of the bytes.
    pub(crate) fn source_ref(&self) -> &R {
        &self.source
    }

    /// The source of the bytes, mutably.
    pub fn source(&mut self) -> &mut R {
        &mut self.source
    }

    /// Reads one response to a request of any method but HEAD.
    pub fn response(&mut self) -> Response {
        let head = self.head();
        self.rest_of(head)
    }

    /// Reads the body, if any, that belongs to a head already read.
    pub fn rest_of(&mut self, head: Response) -> Response {
        let mut response = head;
        let coding = response.header("transfer-encoding").map(str::to_ascii_lowercase);
        let length = response.header("content-length").map(str::to_owned);
        if matches!(response.status, 100..=199 | 204 | 304) {
            return response;
        }
        match (coding.as_deref(), length) {
            (Some("chunked"), None) => self.chunked(&mut response),
            (None, Some(length)) => {
                let length = length.parse().unwrap_or_else(|_| panic!("content-length {length:?}"));
                response.body = self.take(length);
            }
            (None, None) => response.body = self.rest(),
            other => panic!("framing of the response: {other:?} in {response:?}"),
        }
        response
    }

    /// Reads a status line and the header section; the body stays unread.
    pub fn head(&mut self) -> Response {
        let status_line = self.line();
        let mut parts = status_line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default().to_owned();
        assert!(matches!(version.as_str(), "HTTP/1.0" | "HTTP/1.1"), "status line {status_line:?}");
        let status = parts.next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("status line {status_line:?}"));
        Response { version, status, headers: self.fields(), body: Vec::new(), trailers: Vec::new() }
    }

    /// Reads everything up to the end of the stream; a reset counts as an end.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Reads until `count` unconsumed bytes are available; false if the end comes first.
    pub(crate) fn has(&mut self, count: usize) -> bool {
        while self.unread.len() < count {
            if !self.fill() {
                return false;
            }
        }
        true
    }

    /// Reads exactly `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.fill(), "ended after {} of {count} bytes", self.unread.len());
        }
        let after = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, after)
    }

    /// Reads at least one byte more; false at the end.
    pub fn fill(&mut self) -> bool {
        match self.try_fill() {
            Ok(there) => there,
            Err(error) if ENDS.contains(&error.kind()) => false,
            Err(error) => {
                let start = &self.unread[..self.unread.len().min(1000)];
                panic!("{error} after {:?}", String::from_utf8_lossy(start));
            }
        }
    }

    /// Reads at least one byte more; false at the end, or the error.
    pub(crate) fn try_fill(&mut self) -> io::Result<bool> {
        let mut block = [0; 65536];
        let count = self.source.read(&mut block)?;
        self.unread.extend_from_slice(&block[..count]);
        Ok(count > 0)
    }

    /// Reads until the unconsumed bytes contain `text`; false if the end comes first.
    pub(crate) fn holds(&mut self, text: &[u8]) -> bool {
        let mut searched = 0;
        loop {
            if self.unread[searched..].windows(text.len()).any(|part| part == text) {
                return true;
            }
            searched = (self.unread.len() + 1).saturating_sub(text.len());
            if !self.fill() {
                return false;
            }
        }
    }

    /// The source of the bytes, and the unconsumed ones.
    pub(crate) fn into_parts(self) -> (R, Vec<u8>) {
        (self.source, self.unread)
    }

    /// Bytes read but not consumed yet.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    fn chunked(&mut self, response: &mut Response) {
        loop {
            let size_line = self.line();
            let size = usize::from_str_radix(&size_line, 16);
            let size = size.unwrap_or_else(|_| panic!("chunk size {size_line:?}"));
            if size == 0 {
                response.trailers = self.fields();
                return;
            }
            response.body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n", "a chunk ends with CRLF");
        }
    }

    /// Fields up to an empty line.
    pub(crate) fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("field line {line:?}"));
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "field {line:?}");
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    /// A line as latin-1, without its CRLF.
    pub(crate) fn line(&mut self) -> String {
        let mut searched = 0;
        let end = loop {
            if let Some(at) = self.unread[searched..].windows(2).position(|pair| pair == b"\r\n") {
                break searched + at;
            }
            searched = self.unread.len().saturating_sub(1);
            assert!(self.fill(), "ended in the middle of {:?}", String::from_utf8_lossy(&self.unread));
        };
        let line: String = self.take(end + 2)[..end].iter().copied().map(char::from).collect();
        assert!(!line.contains(|c: char| c.is_ascii_control() && c != '\t'), "control character in {line:?}");
        line
    }
}
