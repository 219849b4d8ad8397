//! One complete request head: parsed by httparse, then checked as RFC 9112 requires of a server.

use std::mem::MaybeUninit;

use pounce_asgi::{HttpVersion, RequestHead};

use super::Fault;
use super::host::{agrees, is_host};
use super::version;

/// How the end of a request body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming {
    /// There is no body.
    #[default]
    None,
    /// This many bytes, more than none.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
}

/// The facts of a head that matter to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// How the body is framed.
    pub body: BodyFraming,
    /// Whether the client would reuse the connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` (RFC 9110 section 10.1.1). Never true for HTTP/1.0.
    pub expects_continue: bool,
    /// Whether the client accepts trailers (`TE: trailers`, RFC 9110 section 10.1.4).
    pub accepts_trailers: bool,
    /// Whether the client asks for a WebSocket (RFC 6455 section 4.1).
    pub websocket: bool,
    /// Whether the method is HEAD, whose response has no body.
    pub is_head: bool,
    /// The version.
    pub version: HttpVersion,
}

/// How long a method may be: more than twice the longest registered one.
pub(crate) const MAX_METHOD: usize = 64;

/// The fault of a longer one.
pub(crate) const LONG_METHOD: Fault = Fault::BadRequest("the method is too long");

/// Parses `input`, which is one head with its empty line at the end, into `head`.
///
/// # Errors
/// The fault to answer the client with.
pub(super) fn parse(input: &[u8], max_fields: usize, head: &mut RequestHead) -> Result<Facts, Fault> {
    // httparse accepts a bare LF as a line's end. RFC 9112 section 2.2 lets a server refuse it, and a proxy in front
    // may see the head end elsewhere.
    if memchr::memchr_iter(b'\n', input).any(|at| at == 0 || input[at - 1] != b'\r') {
        return Err(Fault::BadRequest("a line ends in LF without CR"));
    }
    match parse_lines(input, max_fields, head) {
        Err(Fault::VersionNotSupported) => match version::as_1_1(input) {
            Some(input) => parse_lines(&input, max_fields, head),
            None => Err(Fault::VersionNotSupported),
        },
        parsed => parsed,
    }
}

fn parse_lines(input: &[u8], max_fields: usize, head: &mut RequestHead) -> Result<Facts, Fault> {
    const ON_STACK: usize = 100;
    if max_fields <= ON_STACK {
        let mut slots = [MaybeUninit::uninit(); ON_STACK];
        parse_into(input, &mut slots[..max_fields], head)
    } else {
        parse_into(input, &mut vec![MaybeUninit::uninit(); max_fields], head)
    }
}

fn parse_into<'h>(
    input: &'h [u8],
    slots: &mut [MaybeUninit<httparse::Header<'h>>],
    head: &mut RequestHead,
) -> Result<Facts, Fault> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(input, slots) {
        Ok(httparse::Status::Complete(length)) if length == input.len() => {}
        Ok(_) => return Err(Fault::BadRequest("the head is malformed")),
        Err(error) => return Err(fault_of(error, input)),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Fault::BadRequest("the request line is incomplete"));
    };
    let version = if minor == 0 { HttpVersion::Http10 } else { HttpVersion::Http11 };
    let authority = authority_of(method, target.as_bytes())?;

    head.begin(method.as_bytes(), target.as_bytes(), version);
    let mut survey = Survey::default();
    for field in request.headers.iter() {
        survey.see(field.name.as_bytes(), field.value)?;
        head.push(field.name.as_bytes(), field.value);
    }
    let facts = survey.conclude(version, method == "HEAD", authority)?;
    head.set_accepts_trailers(facts.accepts_trailers);
    Ok(facts)
}

fn fault_of(error: httparse::Error, input: &[u8]) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::FieldsTooLarge,
        httparse::Error::Version if version::is_named(input) => Fault::VersionNotSupported,
        httparse::Error::Token => Fault::BadRequest("the request line is malformed"),
        httparse::Error::HeaderName => Fault::BadRequest("a field name is malformed"),
        httparse::Error::HeaderValue => Fault::BadRequest("a field value has a control character"),
        httparse::Error::NewLine => Fault::BadRequest("a line ends in CR without LF"),
        _ => Fault::BadRequest("the request line is malformed"),
    }
}

/// The authority of an absolute-form target.
struct Authority<'t> {
    host: &'t [u8],
    default_port: &'static [u8],
}

/// Checks the form of a target (RFC 9112 section 3.2) and returns the authority of an absolute-form one.
fn authority_of<'t>(method: &str, target: &'t [u8]) -> Result<Option<Authority<'t>>, Fault> {
    if method == "CONNECT" {
        return Err(Fault::NotImplemented("CONNECT is for proxies"));
    }
    // RFC 3986 section 2: a URI is ASCII; other characters are percent-encoded.
    if !target.is_ascii() {
        return Err(Fault::BadRequest("the request target has a byte that is not ASCII"));
    }
    if memchr::memchr(b'#', target).is_some() {
        return Err(Fault::BadRequest("the request target has a fragment"));
    }
    if target[0] == b'/' || target == b"*" && method == "OPTIONS" {
        return Ok(None);
    }
    let lower = target[..target.len().min(8)].to_ascii_lowercase();
    let (scheme, default_port): (usize, &[u8]) = if lower.starts_with(b"http://") {
        (7, b"80")
    } else if lower.starts_with(b"https://") {
        (8, b"443")
    } else {
        return Err(Fault::BadRequest("the request target has no known form"));
    };
    let rest = &target[scheme..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    if !is_host(&rest[..end]) {
        return Err(Fault::BadRequest("the request target's authority is malformed"));
    }
    Ok(Some(Authority { host: &rest[..end], default_port }))
}

/// The transfer codings of a body, in the order of all their fields (RFC 9112 section 6.1).
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// No coding.
    #[default]
    None,
    /// Only codings that the server does not implement.
    Unknown,
    /// Such codings, then chunked.
    UnknownChunked,
    /// Chunked alone.
    Chunked,
}

impl Coding {
    /// The state after one more coding.
    fn then(self, coding: &[u8]) -> Result<Self, Fault> {
        let chunked = coding.eq_ignore_ascii_case(b"chunked");
        match self {
            // A list may have empty members (RFC 9110 section 5.6.1), but in this field only attackers send them.
            _ if coding.is_empty() => Err(Fault::BadRequest("Transfer-Encoding has an empty member")),
            Self::Chunked | Self::UnknownChunked => {
                Err(Fault::BadRequest("Transfer-Encoding must have chunked once, at its end"))
            }
            Self::None if chunked => Ok(Self::Chunked),
            Self::Unknown if chunked => Ok(Self::UnknownChunked),
            Self::None | Self::Unknown => Ok(Self::Unknown),
        }
    }
}

/// The fields that determine framing and the fate of the connection.
#[derive(Default)]
struct Survey<'h> {
    host: Option<&'h [u8]>,
    content_length: Option<u64>,
    coding: Coding,
    close: bool,
    keep_alive: bool,
    /// `Connection: upgrade`, and `Upgrade: websocket`.
    upgrade: (bool, bool),
    expects_continue: bool,
    accepts_trailers: bool,
}

impl<'h> Survey<'h> {
    /// Notes one field.
    fn see(&mut self, name: &[u8], value: &'h [u8]) -> Result<(), Fault> {
        match name.len() {
            2 if name.eq_ignore_ascii_case(b"te") => {
                self.accepts_trailers |= tokens(value).any(|t| t.eq_ignore_ascii_case(b"trailers"));
            }
            4 if name.eq_ignore_ascii_case(b"host") => {
                let is_second = self.host.replace(value).is_some();
                if is_second || !is_host(value) {
                    return Err(Fault::BadRequest("Host must name one host"));
                }
            }
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Fault::ExpectationFailed);
                }
                self.expects_continue = true;
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade.1 |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"websocket"));
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for token in tokens(value) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                    self.upgrade.0 |= token.eq_ignore_ascii_case(b"upgrade");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = decimal(value).ok_or(Fault::BadRequest("Content-Length is not a number"))?;
                if self.content_length.replace(length).is_some() {
                    return Err(Fault::BadRequest("Content-Length is there twice"));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                for coding in tokens(value) {
                    self.coding = self.coding.then(coding)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Derives the facts once every field has been seen.
    fn conclude(
        self,
        version: HttpVersion,
        is_head: bool,
        authority: Option<Authority<'_>>,
    ) -> Result<Facts, Fault> {
        let modern = version == HttpVersion::Http11;
        match (self.host, authority) {
            (None, _) if modern => return Err(Fault::BadRequest("Host is missing")),
            (Some(host), Some(authority)) if !agrees(authority.host, host, authority.default_port) => {
                return Err(Fault::BadRequest("Host and the request target name different hosts"));
            }
            _ => {}
        }
        let body = match (self.coding, self.content_length) {
            (Coding::None, None | Some(0)) => BodyFraming::None,
            (Coding::None, Some(length)) => BodyFraming::Length(length),
            (Coding::Unknown, _) => return Err(Fault::BadRequest("Transfer-Encoding must end in chunked")),
            (_, Some(_)) => {
                return Err(Fault::BadRequest("Transfer-Encoding and Content-Length exclude each other"));
            }
            _ if !modern => return Err(Fault::BadRequest("Transfer-Encoding does not exist in HTTP/1.0")),
            (Coding::UnknownChunked, None) => {
                return Err(Fault::NotImplemented("only the transfer coding chunked is known"));
            }
            (Coding::Chunked, None) => BodyFraming::Chunked,
        };
        Ok(Facts {
            body,
            keep_alive: if modern { !self.close } else { self.keep_alive && !self.close },
            expects_continue: self.expects_continue && modern && body != BodyFraming::None,
            accepts_trailers: self.accepts_trailers && modern,
            websocket: self.upgrade == (true, true) && modern && body == BodyFraming::None,
            is_head,
            version,
        })
    }
}

/// The members of a comma-separated list, white space trimmed.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// `1*DIGIT` that fits in 64 bits, and nothing else.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}
