//! Access log lines: gunicorn's `%(h)s` atoms, granian's `%(addr)s` atoms, or JSON.
//!
//! Text from the client is escaped: a record stays on one line, and cannot control a terminal.

use std::io::Write as _;
use std::time::SystemTime;

use pounce_asgi::{Address, Fields};
use pounce_config::AccessLogFormat;
use pounce_worker::ExchangeRecord;

use crate::clock::{common_log_time, rfc3339};

/// A parsed format.
pub(crate) enum Format {
    Json,
    Text(Vec<Part>),
}

/// A piece of a text format.
pub(crate) enum Part {
    Literal(Vec<u8>),
    Atom(Atom),
    RequestField(Vec<u8>),
    ResponseField(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atom {
    Client,
    ClientHost,
    Dash,
    Time,
    RequestLine,
    Method,
    Path,
    Query,
    Protocol,
    Status,
    ColoredStatus,
    Bytes,
    BytesOrDash,
    Referer,
    UserAgent,
    Seconds,
    Milliseconds,
    Microseconds,
    SecondsDecimal,
    Pid,
    Scheme,
}

impl Format {
    /// Parses a format. If `colored`, the status has the color of its class.
    pub(super) fn new(format: &AccessLogFormat, colored: bool) -> Self {
        match format {
            AccessLogFormat::Json => Self::Json,
            AccessLogFormat::Text(format) => {
                let mut parts = parse(format);
                for part in &mut parts {
                    if colored && matches!(part, Part::Atom(Atom::Status)) {
                        *part = Part::Atom(Atom::ColoredStatus);
                    }
                }
                Self::Text(parts)
            }
        }
    }

    pub(super) fn needs_response_fields(&self) -> bool {
        matches!(self, Self::Text(parts) if parts.iter().any(|part| matches!(part, Part::ResponseField(_))))
    }

    /// Writes one line, without its end.
    pub(super) fn write(&self, record: &ExchangeRecord<'_>, line: &mut Vec<u8>) {
        match self {
            Self::Json => write_json(record, line),
            Self::Text(parts) => {
                for part in parts {
                    match part {
                        Part::Literal(text) => line.extend_from_slice(text),
                        Part::Atom(atom) => write_atom(*atom, record, line),
                        Part::RequestField(name) => field(record.request.head.fields(), name, line),
                        Part::ResponseField(name) => field(record.response_fields, name, line),
                    }
                }
            }
        }
    }
}

/// Parses a format. Text that is not an atom stands for itself.
fn parse(format: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = format;
    while let Some(start) = rest.find('%') {
        literal.extend_from_slice(&rest.as_bytes()[..start]);
        rest = &rest[start..];
        if let Some((part, length)) = parse_atom(rest) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &rest[length..];
        } else {
            literal.push(b'%');
            rest = rest.strip_prefix("%%").unwrap_or(&rest[1..]);
        }
    }
    literal.extend_from_slice(rest.as_bytes());
    parts.push(Part::Literal(literal));
    parts
}

/// `%(name)s`, or with d or f in place of s.
fn parse_atom(text: &str) -> Option<(Part, usize)> {
    let inner = text.strip_prefix("%(")?;
    let end = inner.find(')')?;
    let conversion = inner.as_bytes().get(end + 1)?;
    if !matches!(conversion, b's' | b'd' | b'f') {
        return None;
    }
    let name = &inner[..end];
    let length = 2 + end + 2;
    if let Some(field) = name.strip_prefix('{') {
        let (field, kind) = field.split_once('}')?;
        let field = field.to_ascii_lowercase().into_bytes();
        return match kind {
            "i" => Some((Part::RequestField(field), length)),
            "o" => Some((Part::ResponseField(field), length)),
            // gunicorn's WSGI environ, which ASGI does not have.
            "e" => Some((Part::Atom(Atom::Dash), length)),
            _ => None,
        };
    }
    let atom = match name {
        "addr" => Atom::Client,
        "h" => Atom::ClientHost,
        "l" | "u" => Atom::Dash,
        "t" | "time" => Atom::Time,
        "r" => Atom::RequestLine,
        "m" | "method" => Atom::Method,
        "U" | "path" => Atom::Path,
        "q" | "query_string" => Atom::Query,
        "H" | "protocol" => Atom::Protocol,
        "s" | "status" => Atom::Status,
        "B" => Atom::Bytes,
        "b" => Atom::BytesOrDash,
        "f" => Atom::Referer,
        "a" => Atom::UserAgent,
        "T" => Atom::Seconds,
        "M" | "dt_ms" => Atom::Milliseconds,
        "D" => Atom::Microseconds,
        "L" => Atom::SecondsDecimal,
        "p" => Atom::Pid,
        "scheme" => Atom::Scheme,
        _ => return None,
    };
    Some((Part::Atom(atom), length))
}

fn write_atom(atom: Atom, record: &ExchangeRecord<'_>, line: &mut Vec<u8>) {
    let head = record.request.head;
    // Writing into a vector cannot fail.
    let _ = match atom {
        Atom::Client => write!(line, "{}", record.request.peer.client),
        Atom::ClientHost => match &record.request.peer.client {
            Address::Ip(address) => write!(line, "{}", address.ip()),
            Address::Name(host, _) => write!(line, "{host}"),
            unix => write!(line, "{unix}"),
        },
        Atom::Dash => write!(line, "-"),
        Atom::Time => write!(line, "[{}]", common_log_time(SystemTime::now())),
        Atom::RequestLine => {
            escape(head.method(), line);
            line.push(b' ');
            escape(head.target(), line);
            write!(line, " HTTP/{}", head.version().as_str())
        }
        Atom::Method => return escape(head.method(), line),
        Atom::Path => return escape(head.raw_path(), line),
        Atom::Query => return escape(head.query(), line),
        Atom::Protocol => write!(line, "HTTP/{}", head.version().as_str()),
        Atom::Status => write!(line, "{}", record.status),
        Atom::ColoredStatus => write!(line, "\x1b[{}m{}\x1b[0m", color(record.status), record.status),
        Atom::BytesOrDash if record.body_bytes == 0 => write!(line, "-"),
        Atom::Bytes | Atom::BytesOrDash => write!(line, "{}", record.body_bytes),
        Atom::Referer => return field(head.fields(), b"referer", line),
        Atom::UserAgent => return field(head.fields(), b"user-agent", line),
        Atom::Seconds => write!(line, "{}", record.duration.as_secs()),
        Atom::Milliseconds => write!(line, "{}", record.duration.as_millis()),
        Atom::Microseconds => write!(line, "{}", record.duration.as_micros()),
        Atom::SecondsDecimal => write!(line, "{:.6}", record.duration.as_secs_f64()),
        Atom::Pid => write!(line, "<{}>", std::process::id()),
        Atom::Scheme => write!(line, "{}", record.request.peer.scheme.as_str()),
    };
}

/// The SGR parameter of a status's class: green, cyan, yellow, red.
fn color(status: u16) -> u8 {
    match status {
        ..300 => 32,
        300..400 => 36,
        400..500 => 33,
        500.. => 31,
    }
}

fn field(fields: &Fields, name: &[u8], line: &mut Vec<u8>) {
    match fields.get_all(name).next() {
        Some(value) => escape(value, line),
        None => line.push(b'-'),
    }
}

/// Writes printable ASCII as it is, but escapes quotes and backslashes with a backslash; writes other bytes as `\xNN`.
fn escape(bytes: &[u8], line: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => line.push(byte),
            _ => {
                // Writing into a vector cannot fail.
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}

/// A text from the client, escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    escape(bytes, &mut text);
    // It is ASCII.
    String::from_utf8_lossy(&text).into_owned()
}

fn write_json(record: &ExchangeRecord<'_>, line: &mut Vec<u8>) {
    let head = record.request.head;
    let text = |bytes: &[u8]| {
        let mut text = String::new();
        for &byte in bytes {
            match byte {
                b'\\' => text.push_str("\\\\"),
                0x20..=0x7e => text.push(byte as char),
                _ => text.push_str(&format!("\\x{byte:02x}")),
            }
        }
        text
    };
    let value = |name: &[u8]| head.fields().get_all(name).next().map(text);
    let object = serde_json::json!({
        // The same envelope as in the server's other log lines.
        "timestamp": rfc3339(SystemTime::now()),
        "level": "INFO",
        "target": "pounce.access",
        "message": format!("{} {} {}", text(head.method()), text(head.raw_path()), record.status),
        "client": record.request.peer.client.to_string(),
        "method": text(head.method()),
        "path": text(head.raw_path()),
        "query": text(head.query()),
        "protocol": format!("HTTP/{}", head.version().as_str()),
        "status": record.status,
        "bytes": record.body_bytes,
        "duration_ms": record.duration.as_micros() as f64 / 1000.0,
        "user_agent": value(b"user-agent"),
        "referer": value(b"referer"),
        "request_id": record.request.request_id,
    });
    // Writing into a vector cannot fail, and neither can an object of strings and numbers.
    let _ = serde_json::to_writer(line, &object);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_quotes_are_escaped() {
        let mut line = Vec::new();
        escape(b"a\"\\\x1b[31m\n\xe9", &mut line);
        assert_eq!(line, br#"a\"\\\x1b[31m\x0a\xe9"#);
    }

    #[test]
    fn an_item_of_environ_is_a_dash() {
        assert!(matches!(&parse("%({wsgi.url_scheme}e)s")[..], [Part::Atom(Atom::Dash), Part::Literal(_)]));
    }

    #[test]
    fn what_is_no_atom_stands_for_itself() {
        let parts = parse("100%% %(nope)s %(h)x %");
        assert!(matches!(&parts[..], [Part::Literal(text)] if text == b"100% %(nope)s %(h)x %"));
    }
}
