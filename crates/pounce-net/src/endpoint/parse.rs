//! From text to an [`Endpoint`], and the errors in such a text.
//!
//! Not name resolution: parsing does not ask whether a well-formed host exists.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;

use super::Endpoint;
use crate::sys;

/// Why a text is not an [`Endpoint`]. Every message says what to type instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what its fields are")]
#[non_exhaustive]
pub enum EndpointError {
    #[error("the address is empty: write `127.0.0.1:8000`, `[::1]:8000`, `unix:path` or `fd://3`")]
    Empty,
    #[error("`{text}` is a URL, not an address to listen on: write `{instead}`")]
    Url { text: String, instead: String },
    #[error("`{text}` looks like a path: write `unix:{text}` for a Unix socket")]
    BarePath { text: String },
    #[error("`{port}` is a port without a host: write `127.0.0.1:{port}`")]
    OnlyPort { port: String },
    #[error(
        "`:{port}` has no host: write `127.0.0.1:{port}` for this machine only, or `0.0.0.0:{port}` or `[::]:{port}` for every address"
    )]
    MissingHost { port: String },
    #[error("`{host}` has no port: write `{host}:8000`, or `{host}:0` for any free port")]
    MissingPort { host: String },
    #[error("`{text}` is not a port: write a number from 1 to 65535, or 0 for any free port")]
    BadPort { text: String },
    #[error("`{text}` has more than one colon: write an IPv6 address in brackets, like `[::1]:8000`")]
    UnbracketedIpv6 { text: String },
    #[error("`{text}` has no closing bracket: write an IPv6 address like `[::1]:8000`")]
    UnclosedBracket { text: String },
    #[error("`{text}` is not an IPv6 address: write brackets around an IPv6 address only, like `[::1]:8000`")]
    BadIpv6 { text: String },
    #[error("`{text}` is not an IPv4 address: write four numbers from 0 to 255, like `127.0.0.1`")]
    BadIpv4 { text: String },
    #[error("`*` is not a host: write `0.0.0.0` for every IPv4 address or `[::]` for every address")]
    Wildcard,
    #[error(
        "`{text}` is not a host name: write letters, digits, `-`, `_` and dots (an international name in its `xn--` form)"
    )]
    BadHost { text: String },
    #[error("`unix:` has no path: write `unix:path/to/socket` or `unix:/run/app.sock`")]
    EmptyPath,
    #[error("`unix://{rest}` is ambiguous: write `unix:{rest}`, or `unix:///{rest}` for an absolute path")]
    TwoSlashes { rest: String },
    #[error(
        "`unix:{path}` names a directory: write the path of the socket itself, like `unix:{path}app.sock`"
    )]
    DirectoryPath { path: String },
    #[error("the path of a Unix socket holds a NUL byte: write a path without one")]
    NulInPath,
    #[error(
        "the path of the Unix socket has {length} bytes and the system takes {max}: write a shorter or a relative path"
    )]
    PathTooLong { length: usize, max: usize },
    #[error("abstract socket names exist only on Linux: write a path, `unix:{name}`")]
    NoAbstractNames { name: String },
    #[error("`{text}` is not a file descriptor: write a number from 0 up, like `fd://3`")]
    BadFd { text: String },
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads the forms listed at [`Endpoint`].
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.trim().is_empty() {
            return Err(EndpointError::Empty);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path).map(Self::Unix);
        }
        if let Some(number) = text.strip_prefix("fd:") {
            return fd(number).map(Self::Fd);
        }
        if let Some((_scheme, rest)) = text.split_once("://") {
            let authority = rest.split('/').next().filter(|rest| !rest.is_empty());
            let instead = authority.unwrap_or("127.0.0.1:8000").to_owned();
            return Err(EndpointError::Url { text: text.to_owned(), instead });
        }
        if text.contains('/') {
            return Err(EndpointError::BarePath { text: text.to_owned() });
        }
        tcp(text)
    }
}

fn tcp(text: &str) -> Result<Endpoint, EndpointError> {
    if let Some(rest) = text.strip_prefix('[') {
        return bracketed(text, rest);
    }
    let Some((host, port_text)) = text.rsplit_once(':') else {
        return Err(match is_number(text) {
            true => EndpointError::OnlyPort { port: text.to_owned() },
            false => EndpointError::MissingPort { host: host(text)?.to_owned() },
        });
    };
    if host.contains(':') {
        return Err(EndpointError::UnbracketedIpv6 { text: text.to_owned() });
    }
    if host.is_empty() {
        // Check the port first: the advice repeats it.
        return Err(EndpointError::MissingHost { port: port(port_text)?.to_string() });
    }
    let host = self::host(host)?.to_owned();
    if port_text.is_empty() {
        return Err(EndpointError::MissingPort { host });
    }
    Ok(Endpoint::Tcp { host, port: port(port_text)? })
}

/// `[address]:port` of RFC 3986 §3.2.2, with the zone of RFC 4007 §11 (`fe80::1%eth0`).
fn bracketed(text: &str, rest: &str) -> Result<Endpoint, EndpointError> {
    let Some((host, after)) = rest.split_once(']') else {
        return Err(EndpointError::UnclosedBracket { text: text.to_owned() });
    };
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let zone_is_name =
        !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if address.parse::<Ipv6Addr>().is_err() || !zone_is_name {
        return Err(EndpointError::BadIpv6 { text: host.to_owned() });
    }
    match after.strip_prefix(':') {
        Some("") => Err(EndpointError::MissingPort { host: format!("[{host}]") }),
        Some(digits) => Ok(Endpoint::Tcp { host: host.to_owned(), port: port(digits)? }),
        None if after.is_empty() => Err(EndpointError::MissingPort { host: format!("[{host}]") }),
        None => Err(EndpointError::BadPort { text: after.to_owned() }),
    }
}

/// RFC 1123 §2.1 names, with the underscore that container networks use.
fn host(text: &str) -> Result<&str, EndpointError> {
    if text == "*" {
        return Err(EndpointError::Wildcard);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label_fits) {
        return Err(EndpointError::BadHost { text: text.to_owned() });
    }
    // A name whose last label is a number is read as an IPv4 address (WHATWG URL "ends in a number"); the
    // shorthands of inet_aton(3) (`127.1`) are refused.
    if name.rsplit('.').next().is_some_and(is_number) && text.parse::<Ipv4Addr>().is_err() {
        return Err(EndpointError::BadIpv4 { text: text.to_owned() });
    }
    Ok(text)
}

fn port(text: &str) -> Result<u16, EndpointError> {
    let bad = || EndpointError::BadPort { text: text.to_owned() };
    if !is_number(text) {
        return Err(bad()); // `u16::from_str` would take `+80`
    }
    text.parse().map_err(|_| bad())
}

fn unix(text: &str) -> Result<PathBuf, EndpointError> {
    let path = match text.strip_prefix("//") {
        Some("") => return Err(EndpointError::EmptyPath),
        Some(rest) if !rest.starts_with('/') => {
            return Err(EndpointError::TwoSlashes { rest: rest.to_owned() });
        }
        Some(rest) => rest,
        None => text,
    };
    // `//run` and `/run` are the same path, and only the latter can be written after `unix:`.
    let path = match path.strip_prefix('/') {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => path.to_owned(),
    };
    if path.is_empty() || path == "@" {
        return Err(EndpointError::EmptyPath);
    }
    if path.contains('\0') {
        return Err(EndpointError::NulInPath);
    }
    if let Some(name) = path.strip_prefix('@') {
        if !sys::ABSTRACT_NAMES {
            return Err(EndpointError::NoAbstractNames { name: name.to_owned() });
        }
    } else if path.ends_with('/') {
        return Err(EndpointError::DirectoryPath { path });
    }
    if path.len() > sys::UNIX_PATH_MAX {
        return Err(EndpointError::PathTooLong { length: path.len(), max: sys::UNIX_PATH_MAX });
    }
    Ok(PathBuf::from(path))
}

fn fd(text: &str) -> Result<RawFd, EndpointError> {
    let number = text.strip_prefix("//").unwrap_or(text);
    let bad = || EndpointError::BadFd { text: number.to_owned() };
    if !is_number(number) {
        return Err(bad());
    }
    number.parse().map_err(|_| bad())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
