//! HTTP/2 (RFC 9113) beyond what the `h2` crate covers: no socket and no clock in here.

mod field_block;
mod guard;
mod huffman;
mod request;
mod screen;

pub use guard::{Guard, Tripped};
pub use request::{Request, Unfit, read_request};
pub use screen::{Screen, Screened};

/// The first bytes of a client (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol that the first bytes of a clear-text connection show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// The preface of HTTP/2.
    Http2,
    /// Something else.
    Http1,
    /// Only the beginning of the preface: no other protocol begins like this.
    Broken,
    /// More is needed.
    Undecided,
}

impl Beginning {
    /// Examines the bytes received so far.
    pub fn of(input: &[u8]) -> Self {
        if input.starts_with(PREFACE) {
            return Self::Http2;
        }
        if PREFACE.starts_with(input) {
            return Self::Undecided;
        }
        // The preface's request line and end of head would otherwise be read as a request.
        if input.starts_with(&PREFACE[..18]) { Self::Broken } else { Self::Http1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_http2_once_the_whole_preface_has_come() {
        for length in 0..PREFACE.len() {
            assert_eq!(Beginning::of(&PREFACE[..length]), Beginning::Undecided, "{length}");
        }
        assert_eq!(Beginning::of(&[PREFACE, b"rest"].concat()), Beginning::Http2);
        for other in ["GET / HTTP/1.1\r\n", "POST", "PRI / HTTP/1.1\r\n", "x"] {
            assert_eq!(Beginning::of(other.as_bytes()), Beginning::Http1, "{other}");
        }
        assert_eq!(Beginning::of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"), Beginning::Broken);
    }
}
