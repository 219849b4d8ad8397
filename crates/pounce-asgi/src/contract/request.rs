//! The head of a request.

use std::ops::Range;

use crate::Fields;

/// The HTTP version of a request, as ASGI spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// `1.0`
    Http10,
    /// `1.1`
    #[default]
    Http11,
    /// `2`
    Http2,
}

impl HttpVersion {
    /// ASGI's `http_version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Method, target, version and header fields of a request. The buffers are meant to be reused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, then the target, as they came.
    line: Vec<u8>,
    method_end: usize,
    path: Range<usize>,
    query: Range<usize>,
    version: HttpVersion,
    accepts_trailers: bool,
    fields: Fields,
}

impl RequestHead {
    /// Begins anew: method, target and version. The path and the query are found in the target
    /// (RFC 9112 section 3.2); an absolute-form target without a path has the path `/`.
    pub fn begin(&mut self, method: &[u8], target: &[u8], version: HttpVersion) {
        self.fields.clear();
        self.version = version;
        self.accepts_trailers = false;
        self.line.clear();
        self.line.extend_from_slice(method);
        self.method_end = method.len();
        self.line.extend_from_slice(target);
        let path_start = self.method_end + path_offset(target);
        let end = self.line.len();
        let question =
            self.line[path_start..].iter().position(|&byte| byte == b'?').map_or(end, |at| path_start + at);
        self.path = path_start..question;
        self.query = (question + 1).min(end)..end;
        if self.path.is_empty() && target != b"*" {
            // Keep the slash after the target, outside the range that `target` returns.
            self.line.push(b'/');
            self.path = end..end + 1;
        }
    }

    /// Method and target as received, concatenated.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Whether method, target and version are those of `other`.
    pub fn has_line_of(&self, other: &Self) -> bool {
        (&self.line, self.method_end, self.version) == (&other.line, other.method_end, other.version)
    }

    /// Copies the method, target and version of `other`.
    pub fn copy_line(&mut self, other: &Self) {
        self.line.clone_from(&other.line);
        self.method_end = other.method_end;
        self.version = other.version;
        (self.path, self.query) = (other.path.clone(), other.query.clone());
    }

    /// Sets a header field, in place of those of the same name. The name is in lower case.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.fields.set(name, value);
    }

    /// Removes every header field of a name, which is in lower case.
    pub fn remove(&mut self, name: &[u8]) {
        self.fields.remove(name);
    }

    /// Adds a header field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.fields.push(name, value);
    }

    /// The method, case kept.
    pub fn method(&self) -> &[u8] {
        &self.line[..self.method_end]
    }

    /// The request target as received.
    pub fn target(&self) -> &[u8] {
        let end = if self.path.start > self.query.end { self.path.start } else { self.query.end };
        &self.line[self.method_end..end]
    }

    /// The path, still percent-encoded: ASGI's `raw_path`.
    pub fn raw_path(&self) -> &[u8] {
        &self.line[self.path.clone()]
    }

    /// The query without its question mark: ASGI's `query_string`.
    pub fn query(&self) -> &[u8] {
        &self.line[self.query.clone()]
    }

    /// The version.
    pub fn version(&self) -> HttpVersion {
        self.version
    }

    /// Notes whether the client accepts trailers.
    pub fn set_accepts_trailers(&mut self, accepts: bool) {
        self.accepts_trailers = accepts;
    }

    /// Whether the client accepts trailers (`TE: trailers`).
    pub fn accepts_trailers(&self) -> bool {
        self.accepts_trailers
    }

    /// The header fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// Where the path starts: after scheme and authority in absolute-form.
fn path_offset(target: &[u8]) -> usize {
    if target.first() == Some(&b'/') {
        return 0;
    }
    let Some(scheme_end) = target.windows(3).position(|window| window == b"://") else {
        return 0;
    };
    let authority = scheme_end + 3;
    target[authority..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .map_or(target.len(), |at| authority + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &[u8]) -> RequestHead {
        let mut head = RequestHead::default();
        head.begin(b"GET", target, HttpVersion::Http11);
        head
    }

    #[test]
    fn path_and_query_are_found_in_every_form_of_target() {
        for (target, path, query) in [
            ("/a/b?x=1&y=2", "/a/b", "x=1&y=2"),
            ("/", "/", ""),
            ("/a?", "/a", ""),
            ("/a?b?c", "/a", "b?c"),
            ("/http://x/y", "/http://x/y", ""),
            ("http://host:80/p?q", "/p", "q"),
            ("http://host", "/", ""),
            ("http://host?q", "/", "q"),
            ("*", "*", ""),
        ] {
            let head = head(target.as_bytes());
            assert_eq!(head.raw_path(), path.as_bytes(), "{target}");
            assert_eq!(head.query(), query.as_bytes(), "{target}");
            assert_eq!(head.target(), target.as_bytes(), "{target}");
            assert_eq!(head.method(), b"GET");
        }
    }
}
