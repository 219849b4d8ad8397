//! Rewrites field blocks (RFC 7541) with malformed fields into blocks that `h2` can read: it treats an invalid name or
//! value as a connection error, where RFC 9113 section 8.1.1 requires a stream error.
//!
//! The dynamic table belongs to the connection, so its sizes and order must stay as the client knows them: a malformed
//! field that enters it is replaced by one of the same size, which is malformed too but readable, so that a request
//! that refers to it is refused as well. No table is kept here.

use pounce_asgi::{is_field_name, is_field_value, is_token_byte};

use super::huffman;

/// The default of SETTINGS_HEADER_TABLE_SIZE, which the server does not change. A field of at least this size empties
/// the table.
const TABLE_SIZE: usize = 4096;

/// The first field of the static table that is not a pseudo-header field.
const FIRST_REGULAR: usize = 15;

/// `connection: x`, which makes `h2` reset the stream once it has read the block.
const MALFORMED: &[u8] = b"\x00\x0aconnection\x01x";

/// The verdict on a field block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// `h2` accepts it or resets its stream.
    Readable,
    /// `h2` would end the connection; this block instead makes it reset the stream. It may be five times as long: the
    /// replacement of a pseudo-header field with an indexed name contains the whole name.
    Replaced(Vec<u8>),
    /// It does not decode, which is an error of the connection.
    Broken,
}

impl Block {
    /// Examines a whole block.
    pub(super) fn of(block: &[u8]) -> Self {
        Self::read(block).unwrap_or(Self::Broken)
    }

    fn read(block: &[u8]) -> Option<Self> {
        let mut replaced = Vec::new();
        // Everything before this is in `replaced`, once anything has been replaced.
        let mut copied = 0;
        let (mut name, mut value) = (Vec::new(), Vec::new());
        let mut reader = Reader(block);
        while let Some(&first) = reader.0.first() {
            let start = block.len() - reader.0.len();
            let (is_indexed, index) = match first {
                // A field from a table, or a new size of the dynamic table.
                0x80.. | 0x20..0x40 => {
                    reader.integer(if first < 0x80 { 5 } else { 7 })?;
                    continue;
                }
                0x40.. => (true, reader.integer(6)?),
                _ => (false, reader.integer(4)?),
            };
            let name = match index {
                0 => Name::Literal(reader.string(&mut name)?),
                _ => Name::Indexed(index),
            };
            let before_value = block.len() - reader.0.len();
            let value = reader.string(&mut value)?;
            if name.allows(value) {
                continue;
            }
            replaced.extend_from_slice(&block[copied..start]);
            copied = block.len() - reader.0.len();
            if is_indexed {
                name.replace(&block[start..before_value], value, &mut replaced);
            }
        }
        if copied == 0 {
            return Some(Self::Readable);
        }
        replaced.extend_from_slice(&block[copied..]);
        replaced.extend_from_slice(MALFORMED);
        Some(Self::Replaced(replaced))
    }
}

/// The rest of a block.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Section 5.1. Reads as many octets as `h2` does, enough for 28 bits.
    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let (&first, mut rest) = self.0.split_first()?;
        let most = (1 << prefix) - 1;
        let mut value = usize::from(first) & most;
        if value == most {
            let mut shift = 0;
            loop {
                let (&octet, behind) = rest.split_first()?;
                rest = behind;
                value += usize::from(octet & 0x7f) << shift;
                shift += 7;
                if octet < 0x80 {
                    break;
                }
                if shift == 28 {
                    return None;
                }
            }
        }
        self.0 = rest;
        Some(value)
    }

    /// Section 5.2. Decoded into `text` if it is coded.
    fn string<'t>(&mut self, text: &'t mut Vec<u8>) -> Option<&'t [u8]>
    where
        'a: 't,
    {
        let is_coded = *self.0.first()? >= 0x80;
        let length = self.integer(7)?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        if !is_coded {
            return Some(string);
        }
        huffman::decode(string, text).then_some(text)
    }
}

/// The name of a literal field.
#[derive(Clone, Copy)]
enum Name<'a> {
    Literal(&'a [u8]),
    Indexed(usize),
}

/// What a field's value must be.
enum Rule {
    Method,
    /// UTF-8, for the other pseudo-header fields of requests, which `h2` checks further.
    Text,
    Field,
    /// No value is valid: there is no such field.
    Never,
}

impl Name<'_> {
    fn rule(self) -> Rule {
        match self {
            Self::Literal(b":method") | Self::Indexed(2 | 3) => Rule::Method,
            Self::Literal(b":authority" | b":path" | b":scheme" | b":protocol")
            | Self::Indexed(1 | 4..=7) => Rule::Text,
            // Only responses have `:status`.
            Self::Indexed(..FIRST_REGULAR) => Rule::Never,
            // A pseudo-header field in the dynamic table is treated as a regular one.
            Self::Indexed(FIRST_REGULAR..) => Rule::Field,
            Self::Literal(name) if is_lower_case_token(name) => Rule::Field,
            Self::Literal(_) => Rule::Never,
        }
    }

    fn allows(self, value: &[u8]) -> bool {
        match self.rule() {
            Rule::Method => is_field_name(value),
            Rule::Text => std::str::from_utf8(value).is_ok(),
            Rule::Field => is_field_value(value),
            Rule::Never => false,
        }
    }

    /// Writes a field that has the same size in the table, and that `h2` reads and [`super::read_request`] refuses.
    /// `beginning` is the field up to its value.
    fn replace(self, beginning: &[u8], value: &[u8], replaced: &mut Vec<u8>) {
        let name = match self {
            // The name may be in the dynamic table, so keep it. White space around a value is malformed.
            Self::Indexed(FIRST_REGULAR..) => {
                replaced.extend_from_slice(beginning);
                return write_string(b' ', value.len(), replaced);
            }
            Self::Literal(name) => name.len(),
            Self::Indexed(1) => ":authority".len(),
            Self::Indexed(4 | 5) => ":path".len(),
            // `:method`, `:scheme`, `:status`
            Self::Indexed(_) => 7,
        };
        // A name that `h2` accepts although it is not a token.
        replaced.push(0x40);
        write_string(b'"', name + value.len(), replaced);
        replaced.push(0);
    }
}

fn is_lower_case_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte) && !byte.is_ascii_uppercase())
}

/// Writes a string of one repeated octet, at most as long as the table.
fn write_string(octet: u8, length: usize, block: &mut Vec<u8>) {
    let length = length.min(TABLE_SIZE);
    match length.checked_sub(0x7f) {
        None => block.push(length as u8),
        Some(rest) => block.extend([0x7f, 0x80 | (rest & 0x7f) as u8, (rest >> 7) as u8]),
    }
    block.resize(block.len() + length, octet);
}
