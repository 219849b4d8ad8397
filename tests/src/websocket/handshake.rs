//! A client's request for a WebSocket, apart from the mandatory fields.

/// A request for a WebSocket.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Handshake {
    /// Requests `target`.
    pub fn to(target: &str) -> Self {
        Self { target: target.to_owned(), fields: Vec::new() }
    }

    /// Adds a field, whose name is in lower case.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers subprotocols.
    pub fn protocols(self, names: &str) -> Self {
        self.with("sec-websocket-protocol", names)
    }

    /// Offers compression; `parameters` may be empty or begin with `; `.
    pub fn deflate(self, parameters: &str) -> Self {
        self.with("sec-websocket-extensions", &format!("permessage-deflate{parameters}"))
    }
}
