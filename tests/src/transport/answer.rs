//! A response, independent of its transport.

/// A status and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Names in lower case and values as latin-1, in order; without the framing fields of HTTP/1.1.
    pub headers: Vec<(String, String)>,
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Properly.
    Complete,
    /// The connection was closed before.
    Closed,
    /// The server has announced its end before it began this request (RFC 9113 section 6.8): the client may send it
    /// again.
    TurnedAway,
    /// The stream was reset, with this code.
    Reset(&'static str),
}

/// A response up to its end, or as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its interim responses (100, 103).
    pub interim: Vec<Head>,
    /// Its head; none if it ended earlier.
    pub head: Option<Head>,
    /// The content.
    pub body: Vec<u8>,
    /// The fields after the content.
    pub trailers: Vec<(String, String)>,
    /// How it ended.
    pub end: End,
}

impl Head {
    /// The value of a header that may occur only once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.header_values(name);
        assert!(values.len() <= 1, "{name} stands there {} times: {self:?}", values.len());
        values.first().copied()
    }

    /// Every value of a header, in order.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }
}

impl Answer {
    /// The status code; none if it ended earlier.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// The value of a header that may occur only once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref().and_then(|head| head.header(name))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns itself, after checking that it is complete and has this status.
    pub fn expect(self, status: u16) -> Self {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]);
        assert_eq!(self.status(), Some(status), "{:?} {:?}: {shown}", self.head, self.end);
        assert_eq!(self.end, End::Complete, "{:?}: {shown}", self.head);
        self
    }

    /// Returns itself, after checking that the client can tell that it is incomplete.
    pub fn expect_cut_off(self) -> Self {
        assert_ne!(self.end, End::Complete, "{:?}: {}", self.head, self.text());
        self
    }
}
