//! The opening handshake (RFC 6455 section 4.2) and its negotiation.

use crate::crypto::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64ct::{Base64, Encoding as _};
use pounce_asgi::{Accept, Fields, RequestHead, SendError};

use super::codecs::WindowBits;
use crate::http1::check_field;

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why the server refuses a WebSocket without asking the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) detail: &'static str,
}

/// A valid request for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpgradeRequest {
    /// The answer to the client's key; `None` over HTTP/2 (RFC 8441 section 5).
    pub(crate) accept: Option<String>,
    /// Subprotocols that the client speaks, the preferred one first.
    pub(crate) protocols: Vec<Vec<u8>>,
    /// The answer to the client's offers of compression, if one is acceptable.
    pub(crate) deflate: Option<(String, WindowBits)>,
}

impl UpgradeRequest {
    /// Reads the head of a request for a WebSocket. Over HTTP/1.1 it must have a key.
    pub(crate) fn read(head: &RequestHead, has_key: bool, deflate: bool) -> Result<Self, Refusal> {
        let refuse = |status, detail| Err(Refusal { status, detail });
        let fields = head.fields();
        let one = |name: &'static [u8]| {
            let mut values = fields.get_all(name);
            let first = values.next();
            if values.next().is_some() { None } else { first }
        };
        if one(b"sec-websocket-version") != Some(b"13") {
            return refuse(426, "only version 13 of the WebSocket protocol is supported");
        }
        let mut accept = None;
        if has_key {
            if head.method() != b"GET" {
                return refuse(400, "a WebSocket is asked for with GET");
            }
            let Some(key) = one(b"sec-websocket-key") else {
                return refuse(400, "Sec-WebSocket-Key must be there once");
            };
            let mut nonce = [0; 16];
            let decoded = std::str::from_utf8(key).ok().and_then(|key| Base64::decode(key, &mut nonce).ok());
            if decoded.is_none_or(|nonce| nonce.len() != 16) {
                return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64");
            }
            accept = Some(accept_value(key));
        }
        let protocols = fields.get_all(b"sec-websocket-protocol");
        let protocols = protocols.flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
        Ok(Self {
            accept,
            protocols: protocols.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect(),
            deflate: if deflate { negotiate_deflate(fields) } else { None },
        })
    }

    /// The fields of a response that accepts it: the server's, then the application's.
    pub(crate) fn response_fields(&self, accept: &Accept) -> Result<Fields, SendError> {
        let mut fields = Fields::new();
        if let Some(value) = &self.accept {
            fields.push(b"upgrade", b"websocket");
            fields.push(b"connection", b"Upgrade");
            fields.push(b"sec-websocket-accept", value.as_bytes());
        }
        if let Some(chosen) = &accept.subprotocol {
            if !self.protocols.contains(chosen) {
                return Err(SendError::Subprotocol(String::from_utf8_lossy(chosen).into_owned()));
            }
            check_field(b"sec-websocket-protocol", chosen)?;
            fields.push(b"sec-websocket-protocol", chosen);
        }
        if let Some((answer, _)) = &self.deflate {
            fields.push(b"sec-websocket-extensions", answer.as_bytes());
        }
        for (name, value) in accept.fields.iter() {
            let value = check_field(name, value)?;
            let ours = name.starts_with(b"sec-websocket-")
                || matches!(name, b"upgrade" | b"connection" | b"content-length" | b"transfer-encoding");
            if ours {
                return Err(SendError::FieldName(name.escape_ascii().to_string()));
            }
            fields.push(name, value);
        }
        Ok(fields)
    }
}

/// RFC 6455 section 4.2.2, item 5.4.
fn accept_value(key: &[u8]) -> String {
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key);
    digest.update(GUID);
    Base64::encode_string(digest.finish().as_ref())
}

/// The answer to the first acceptable offer of permessage-deflate (RFC 7692 section 7.1).
pub(crate) fn negotiate_deflate(fields: &Fields) -> Option<(String, WindowBits)> {
    let offers = fields.get_all(b"sec-websocket-extensions");
    offers.flat_map(|value| value.split(|&byte| byte == b',')).find_map(answer_offer)
}

fn answer_offer(offer: &[u8]) -> Option<(String, WindowBits)> {
    let mut parts = offer.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    if parts.next()? != b"permessage-deflate" {
        return None;
    }
    let mut answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    let mut window = WindowBits::MAX;
    let mut seen = Vec::new();
    for parameter in parts {
        let (name, value) = match parameter.iter().position(|&byte| byte == b'=') {
            Some(at) => (parameter[..at].trim_ascii(), Some(unquote(parameter[at + 1..].trim_ascii()))),
            None => (parameter, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value) {
            (b"server_no_context_takeover" | b"client_no_context_takeover", None) => {}
            // Without an answer the client may use a window of 15 bits, which the server can inflate.
            (b"client_max_window_bits", None) => {}
            (b"client_max_window_bits", Some(bits)) if window_bits(bits).is_some() => {}
            (b"server_max_window_bits", Some(bits)) => {
                let bits = window_bits(bits)?;
                window = WindowBits::new(bits)?;
                answer.push_str(&format!("; server_max_window_bits={bits}"));
            }
            _ => return None,
        }
    }
    Some((answer, window))
}

/// A number from 8 to 15 without leading zeros (RFC 7692 section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    let bits = std::str::from_utf8(value).ok().filter(|text| !text.starts_with(['0', '+']))?.parse().ok()?;
    (8..=15).contains(&bits).then_some(bits)
}

fn unquote(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}
