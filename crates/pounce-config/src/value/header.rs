//! A header that is added to every response.

/// What a header looks like, for a message after "expected".
pub(crate) const EXPECTED: &str = "NAME: VALUE in printable ASCII, and none that frames the message";

/// Headers that frame the message or control the connection; only the server may set them.
/// RFC 9110 §7.6.1, RFC 9112 §6.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The name in lower case and the trimmed value.
pub(crate) fn header(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let name = self::name(name)?;
    let value = value.trim_matches([' ', '\t']);
    let sound = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    sound.then(|| (name, value.to_owned()))
}

/// The name of a header in lower case, unless it frames the message.
pub(crate) fn name(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let sound = !name.is_empty() && name.bytes().all(is_token) && !FRAMING.contains(&name.as_str());
    sound.then_some(name)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> Option<(String, String)> {
        Some((name.into(), value.into()))
    }

    #[test]
    fn the_name_is_lowered_and_the_value_trimmed() {
        assert_eq!(header("X-Frame-Options:  DENY\t"), pair("x-frame-options", "DENY"));
        assert_eq!(header("x-empty:"), pair("x-empty", ""));
        assert_eq!(
            header("link: <https://a.example/>; rel=\"x\""),
            pair("link", "<https://a.example/>; rel=\"x\"")
        );
    }

    #[test]
    fn a_header_that_could_break_the_response_is_refused() {
        for text in [
            "",
            "no colon",
            ": value",
            "x y: z",
            "x : y",
            "x: a\r\nset-cookie: b",
            "x: a\nb",
            "x: a\rb",
            "x: a\0b",
            "x\n: a",
            "x: \u{7f}",
            "x: \u{e9}",
            "\u{e9}: x",
            "x: a\r\n",
        ] {
            assert_eq!(header(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_header_that_frames_the_message_is_refused() {
        for text in ["Content-Length: 5", "transfer-encoding: chunked", "Connection: close", "Upgrade: h2c"] {
            assert_eq!(header(text), None, "{text:?}");
        }
    }
}
