//! Lines of a response: status line, fields, chunk sizes; and which fields an application may send.

use std::io::Write as _;

use pounce_asgi::{Fields, SendError, is_field_name, is_field_value};

use super::Output;
use super::head::decimal;
use super::status::reason;

/// What the application's fields determine about the framing.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    pub(super) content_length: Option<u64>,
    /// Whether the application asks for the chunked coding, which is then applied once.
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) date: bool,
    pub(super) server: bool,
}

/// Writes the application's fields, except those that the server chooses.
pub(super) fn write_fields(out: &mut Vec<u8>, fields: &Fields, no_length: bool) -> Result<Seen, SendError> {
    let mut seen = Seen::default();
    for (name, value) in fields.iter() {
        let value = check_field(name, value)?;
        match name {
            b"content-length" => {
                let length = decimal(value).ok_or(SendError::ContentLength)?;
                match seen.content_length.replace(length) {
                    Some(before) if before != length => return Err(SendError::ContentLength),
                    Some(_) => continue,
                    // RFC 9110 section 8.6: a 204 has none.
                    None if no_length => continue,
                    None => {}
                }
            }
            b"transfer-encoding" => {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(SendError::TransferEncoding);
                }
                seen.chunked = true;
                continue;
            }
            b"connection" => {
                seen.close |=
                    value.split(|&b| b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(b"close"));
                continue;
            }
            b"date" => seen.date = true,
            b"server" => seen.server = true,
            _ => {}
        }
        field(out, name, value);
    }
    Ok(seen)
}

/// Checks a field, and returns its value without surrounding white space, which is not part of it (RFC 9110 section
/// 5.5) and in HTTP/2 makes the response malformed (RFC 9113 section 8.2.1).
pub(crate) fn check_field<'v>(name: &[u8], value: &'v [u8]) -> Result<&'v [u8], SendError> {
    if !is_field_name(name) {
        return Err(SendError::FieldName(name.escape_ascii().to_string()));
    }
    if !is_field_value(value) {
        return Err(SendError::FieldValue { name: String::from_utf8_lossy(name).into_owned() });
    }
    Ok(value.trim_ascii())
}

pub(crate) fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn chunk_size(output: &mut Output, length: u64) {
    let mut line = [0u8; 18];
    let mut cursor = &mut line[..];
    // Sixteen digits and a CRLF always fit.
    let _ = write!(cursor, "{length:x}\r\n");
    let left = cursor.len();
    output.extend(&line[..18 - left]);
}
