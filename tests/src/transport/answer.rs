//! A response, whatever carried it.

/// A status and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Names in lower case and values as latin-1, in order; without what frames a response in HTTP/1.1 alone.
    pub headers: Vec<(String, String)>,
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Complete,
    /// The connection was closed before.
    Closed,
    /// The server has said that it ends, and has not begun with this request (RFC 9113 section 6.8): it may be asked
    /// again.
    TurnedAway,
    /// The stream was reset, with this code.
    Reset(&'static str),
}

/// A response to its end, or to where it was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What came before it (100, 103).
    pub interim: Vec<Head>,
    /// Its head; none when it ended before.
    pub head: Option<Head>,
    /// The content.
    pub body: Vec<u8>,
    /// The fields behind the content.
    pub trailers: Vec<(String, String)>,
    /// How it ended.
    pub end: End,
}

impl Head {
    /// The value of a header that must not stand there twice.
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
    /// The status code; none when it ended before.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// The value of a header that must not stand there twice.
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

    /// Itself, once it is known to be whole and to have a status.
    pub fn expect(self, status: u16) -> Self {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]);
        assert_eq!(self.status(), Some(status), "{:?} {:?}: {shown}", self.head, self.end);
        assert_eq!(self.end, End::Complete, "{:?}: {shown}", self.head);
        self
    }

    /// Itself, once it is known that the client can tell that it is not whole.
    pub fn expect_cut_off(self) -> Self {
        assert_ne!(self.end, End::Complete, "{:?}: {}", self.head, self.text());
        self
    }
}
