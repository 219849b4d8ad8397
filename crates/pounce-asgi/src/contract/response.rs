//! The parts of a response.

use std::fs::File;

use bytes::Bytes;

use crate::Fields;

/// The head of a response (`http.response.start`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code. The wire checks its range.
    pub status: u16,
    /// The header fields. The wire checks names and values.
    pub fields: Fields,
    /// Whether `http.response.trailers` follows the body.
    pub trailers: bool,
}

/// A piece of a body.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Copied if it cannot be written at once.
    Borrowed(&'a [u8]),
    /// Kept, uncopied, until it is written.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A part of an open file.
#[derive(Debug)]
pub struct FileBody {
    /// The file, read from `offset` on without moving its position.
    pub file: File,
    /// Where to start, in bytes.
    pub offset: u64,
    /// How many bytes to send.
    pub length: u64,
    /// The application has named no length, so this is the file up to its end. If the file has grown beyond an
    /// announced content-length, only that much is sent.
    pub to_end: bool,
}
