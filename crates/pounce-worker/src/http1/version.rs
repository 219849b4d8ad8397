//! The version at the end of a request line (RFC 9112 section 2.3).

/// A head of a later minor version, rewritten to HTTP/1.1, as which it may be read (RFC 9110 section 2.5). `None` for
/// any other version.
pub(super) fn as_1_1(head: &[u8]) -> Option<Vec<u8>> {
    let (digits, b'1', b'2'..=b'9') = of(head)? else { return None };
    let mut head = head.to_vec();
    head[digits + 2] = b'1';
    Some(head)
}

/// Whether the request line ends in an HTTP version.
pub(super) fn is_named(input: &[u8]) -> bool {
    of(input).is_some()
}

/// The position of the version's digits, and both digits.
fn of(input: &[u8]) -> Option<(usize, u8, u8)> {
    let line = &input[..memchr::memchr(b'\r', input)?];
    let (before, version) = line.split_last_chunk::<9>()?;
    let [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = *version else { return None };
    let two_parts = before.iter().filter(|&&byte| byte == b' ').count() == 1;
    (two_parts && major.is_ascii_digit() && minor.is_ascii_digit()).then_some((
        before.len() + 6,
        major,
        minor,
    ))
}
