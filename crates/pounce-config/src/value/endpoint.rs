//! The syntax of an endpoint. Only binding it shows whether the address exists and is free.

use std::net::Ipv6Addr;

/// What an endpoint looks like, for a message after "expected".
pub(crate) const EXPECTED: &str = "HOST:PORT, [V6]:PORT, unix:PATH or fd://N";

/// The text of one `bind`, with an empty host (`:8000`) spelt out as every IPv4 address.
pub(crate) fn endpoint(text: &str) -> Option<String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return super::path(path).map(|_| text.to_owned());
    }
    if let Some(number) = text.strip_prefix("fd://") {
        return super::integer(number, 0, i32::MAX as u64).map(|_| text.to_owned());
    }
    let (host_part, port) = text.rsplit_once(':')?;
    super::integer(port, 0, 65535)?;
    match host_part {
        "" => Some(format!("0.0.0.0:{port}")),
        // Without brackets, the end of an IPv6 address could be mistaken for the port.
        v6 if v6.contains(':') && !v6.starts_with('[') => None,
        host_part => host(host_part).map(|host| format!("{host}:{port}")),
    }
}

/// A host name or address in the form used before `:PORT`, IPv6 in brackets.
pub(crate) fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let candidate = bare.unwrap_or(text);
    if bare.is_some() || candidate.contains(':') {
        let address = candidate.split_once('%').map_or(candidate, |(address, _zone)| address);
        return address.parse::<Ipv6Addr>().ok().map(|_| format!("[{candidate}]"));
    }
    let named = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.chars().all(named)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_pass_unchanged() {
        for text in
            ["127.0.0.1:8000", "localhost:0", "[::1]:8000", "[fe80::1%eth0]:80", "unix:/run/p.sock", "fd://3"]
        {
            assert_eq!(endpoint(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn an_empty_host_is_every_address() {
        assert_eq!(endpoint(":8000").as_deref(), Some("0.0.0.0:8000"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "8000",
            "localhost",
            "localhost:",
            "localhost:http",
            "localhost:65536",
            "::1:8000",
            "[::1]",
            "[x]:80",
            "[127.0.0.1]:80",
            "http://localhost:80",
            "a b:80",
            "unix:",
            "fd://",
            "fd://-1",
            "fd://x",
        ] {
            assert_eq!(endpoint(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_host_that_is_ipv6_gets_its_brackets_once() {
        assert_eq!(host("::").as_deref(), Some("[::]"));
        assert_eq!(host("[::1]").as_deref(), Some("[::1]"));
        assert_eq!(host("example.org").as_deref(), Some("example.org"));
        for text in ["", "127.0.0.1:80", "a/b", "[]", ":"] {
            assert_eq!(host(text), None, "{text:?}");
        }
    }
}
