//! A request, independent of its transport.

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case, and values as latin-1.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(usize),
    Streamed,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Body::None }
    }

    /// A GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST; the next call frames its body.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives the body's length.
    pub fn length(mut self, length: usize) -> Self {
        self.body = Body::Length(length);
        self
    }

    /// Has a body without a declared length.
    pub fn streamed(mut self) -> Self {
        self.body = Body::Streamed;
        self
    }
}
