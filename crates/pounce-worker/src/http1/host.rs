//! The Host field and the authority of a target (RFC 9110 section 7.2, RFC 3986 section 3.2).

use pounce_asgi::alphanumeric_and;

/// Whether `value` is one `host [":" port]`: not empty, no list, no userinfo, no path, no space.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let (host, port) = split_port(value);
    !host.is_empty() && port.iter().all(u8::is_ascii_digit) && is_host_name(host)
}

/// Whether the authority of a target names the same host as the Host field. `default_port` is that of the target's
/// scheme.
pub(crate) fn agrees(authority: &[u8], host: &[u8], default_port: &[u8]) -> bool {
    let (left, left_port) = split_port(authority);
    let (right, right_port) = split_port(host);
    let default = |port: &[u8]| port.is_empty() || port == default_port;
    left.eq_ignore_ascii_case(right) && (left_port == right_port || default(left_port) && default(right_port))
}

fn is_host_name(host: &[u8]) -> bool {
    if let Some(inner) = host.strip_prefix(b"[") {
        return inner.strip_suffix(b"]").is_some_and(|address| {
            !address.is_empty()
                && address
                    .iter()
                    .all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'%' | b'v' | b'V'))
        });
    }
    host.iter().all(|&byte| REG_NAME[byte as usize])
}

/// The bytes of a reg-name: unreserved, percent-encoded and sub-delims, except the comma, which would make a list.
static REG_NAME: [bool; 256] = alphanumeric_and(b"-._~%!$&'()*+;=");

/// Host and port. The port is empty if there is none; a colon inside brackets does not count.
fn split_port(value: &[u8]) -> (&[u8], &[u8]) {
    let bracket =
        value.first().filter(|first| **first == b'[').and_then(|_| value.iter().rposition(|&b| b == b']'));
    let after_bracket = bracket.map_or(0, |at| at + 1);
    match value[after_bracket..].iter().position(|&b| b == b':') {
        Some(at) => (&value[..after_bracket + at], &value[after_bracket + at + 1..]),
        None => (value, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_with_or_without_port_is_a_host() {
        for good in ["a", "example.com", "example.com:80", "127.0.0.1:1", "[::1]", "[::1]:8000", "a_b", "h:"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a,b", "a b", "u@h", "h/p", "h:80:80", "[::1", "::1", "h:x", "h\u{e9}", "a?b", "a#b",
            "a\\b", "[]",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn hosts_agree_whatever_their_case_and_default_port() {
        assert!(agrees(b"Example.com", b"example.COM:80", b"80"));
        assert!(agrees(b"[::1]:443", b"[::1]", b"443"));
        assert!(!agrees(b"example.com", b"example.org", b"80"));
        assert!(!agrees(b"example.com:81", b"example.com", b"80"));
        assert!(!agrees(b"example.com:80", b"example.com", b"443"));
    }
}
