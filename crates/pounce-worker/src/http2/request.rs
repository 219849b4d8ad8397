//! Turns a request from `h2` into the contract's head, checked as RFC 9113 section 8 requires of a server.

use h2::Reason;
use h2::ext::Protocol;
use http::request::Parts;
use http::{HeaderMap, header};
use pounce_asgi::{HttpVersion, RequestHead, is_field_name};

use crate::http1::{Fault, LONG_METHOD, MAX_METHOD, RequestLimits, agrees, decimal, is_host};

/// A request for the application.
#[derive(Debug)]
pub struct Request {
    /// The head for the application.
    pub head: RequestHead,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether it asks for a WebSocket (RFC 8441).
    pub websocket: bool,
}

/// What to do with a request that does not reach the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Answer it with the fault.
    Answer(Fault),
    /// Reset its stream: it is malformed (section 8.1.1).
    Reset(Reason),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Answer(fault)
    }
}

/// Reads a request.
///
/// # Errors
/// The reaction to a request that cannot be served.
pub fn read_request(parts: &Parts, limits: &RequestLimits) -> Result<Request, Unfit> {
    let malformed = Unfit::Reset(Reason::PROTOCOL_ERROR);
    let protocol = parts.extensions.get::<Protocol>();
    let websocket = protocol.is_some_and(|protocol| protocol.as_str() == "websocket");
    if parts.method == http::Method::CONNECT {
        let named = parts.uri.authority().is_some();
        if !named || protocol.is_some() && parts.uri.scheme().is_none() {
            return Err(malformed);
        }
        if !websocket {
            return Err(Fault::NotImplemented("CONNECT is for proxies").into());
        }
    }
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // Section 8.3.1.
    let of_the_server = target == "*" && parts.method == http::Method::OPTIONS;
    if !target.starts_with('/') && !of_the_server || !target.is_ascii() {
        return Err(malformed);
    }
    if parts.method.as_str().len() > MAX_METHOD {
        return Err(LONG_METHOD.into());
    }
    if parts.method.as_str().len() + target.len() > limits.request_line {
        return Err(Fault::UriTooLong.into());
    }
    if parts.headers.len() > limits.fields {
        return Err(Fault::FieldsTooLarge.into());
    }

    let mut head = RequestHead::default();
    head.begin(parts.method.as_str().as_bytes(), target.as_bytes(), HttpVersion::Http2);
    let default_port: &[u8] = if parts.uri.scheme_str() == Some("http") { b"80" } else { b"443" };
    let named = one(&parts.headers, header::HOST).map_err(|()| malformed)?;
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, named) {
        (Some(authority), Some(host)) if !agrees(authority, host, default_port) => return Err(malformed),
        (None, None) => return Err(Fault::BadRequest("the authority is missing").into()),
        (authority, host) => {
            let host = authority.or(host).unwrap_or_default();
            if !is_host(host) {
                return Err(malformed);
            }
            // Applications look for the host in this field, where HTTP/1.1 has it.
            head.push(b"host", host);
        }
    }
    let mut crumbs = Vec::new();
    for (name, value) in &parts.headers {
        // Section 8.2.1. `http2::field_block` replaces invalid values with white space.
        if value.as_bytes().trim_ascii() != value.as_bytes() {
            return Err(malformed);
        }
        match *name {
            header::HOST => {}
            // RFC 9113 section 8.2.3: outside HTTP/2 it must be one field.
            header::COOKIE => {
                if !crumbs.is_empty() {
                    crumbs.extend_from_slice(b"; ");
                }
                crumbs.extend_from_slice(value.as_bytes());
            }
            _ if !is_field_name(name.as_str().as_bytes()) => return Err(malformed),
            _ => head.push(name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    if !crumbs.is_empty() {
        head.push(b"cookie", &crumbs);
    }
    head.set_accepts_trailers(parts.headers.get(header::TE).is_some_and(|te| te == "trailers"));
    let content_length = match one(&parts.headers, header::CONTENT_LENGTH).map_err(|()| malformed)? {
        Some(value) => Some(decimal(value).ok_or(malformed)?),
        None => None,
    };
    if content_length.is_some_and(|length| limits.body.is_some_and(|limit| length > limit)) {
        return Err(Fault::ContentTooLarge.into());
    }
    let expects_continue = match parts.headers.get(header::EXPECT) {
        None => false,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => true,
        Some(_) => return Err(Fault::ExpectationFailed.into()),
    };
    Ok(Request { head, expects_continue, websocket })
}

/// The value of a field that may occur only once.
fn one(fields: &HeaderMap, name: header::HeaderName) -> Result<Option<&[u8]>, ()> {
    let mut values = fields.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first.map(|value| value.as_bytes())) }
}
