//! The fields of a request, in any order and as invalid as a test needs.

use super::frame::Frame;
use super::hpack;

/// The fields of a request.
#[derive(Clone, Debug)]
pub struct Request {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Request {
    /// A good request without a body.
    pub fn get(path: &str) -> Self {
        Self::of("GET", path)
    }

    /// A good request that may have a body.
    pub fn post(path: &str) -> Self {
        Self::of("POST", path)
    }

    /// A good request of any method.
    pub fn of(method: &str, path: &str) -> Self {
        Self { fields: Vec::new() }
            .field(":method", method)
            .field(":scheme", "http")
            .field(":authority", "test")
            .field(":path", path)
    }

    /// Adds a field after all others.
    pub fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds a field before all others.
    pub fn first(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(0, (name.into(), value.into()));
        self
    }

    /// Removes a field.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name.as_bytes());
        self
    }

    /// Changes the value of a field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(other, _)| other == name.as_bytes());
        field.expect("the field is there").1 = value.into();
        self
    }

    /// The field block: literals, none of which enters a table.
    pub fn block(&self) -> Vec<u8> {
        self.fields.iter().flat_map(|(name, value)| hpack::literal(name, value)).collect()
    }

    /// HEADERS with all the fields, leaving the stream open for a body.
    pub fn open(&self, stream: u32) -> Frame {
        Frame::headers(stream, self.block())
    }

    /// HEADERS with all the fields, and no body.
    pub fn whole(&self, stream: u32) -> Frame {
        self.open(stream).end()
    }
}

/// A field block without pseudo-header fields, as for trailers.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| hpack::literal(name.as_bytes(), value.as_bytes())).collect()
}
