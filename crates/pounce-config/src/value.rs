//! Parsing the text of one value. Ranges come from the option's [`Kind`]; what the option does is irrelevant
//! here. A parser returns `None` for text that is not such a value, and [`Kind::expected`] says what would be.

pub(crate) mod endpoint;
pub(crate) mod header;

use std::num::NonZeroU64;
use std::time::Duration;

use crate::options::Kind;

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
];

/// Nanoseconds in each unit of time.
const TIME_UNITS: &[(&str, u64)] = &[
    ("", 1_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Kind {
    /// What a value of this kind looks like, for a message after "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Flag => "on or off".into(),
            Self::Text | Self::Secret => "text".into(),
            Self::Path => "a path".into(),
            Self::HttpUrl => "a URL such as http://localhost:4318, without a user and a password".into(),
            Self::UrlPath => "a path of URLs without a query, such as /health".into(),
            Self::PathOrTable => "a path, or a JSON object".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Count => "a whole number, or 0 or none for no limit".into(),
            Self::Seconds { min, max } => {
                let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
                format!("a time from {min} to {max} seconds, such as 1.5, 10s or 500ms")
            }
            Self::Size { min, max } => format!("a size from {min} to {max} bytes, such as 8192 or 64KiB"),
            Self::SizeLimit => "a size such as 1048576 or 64KiB, or 0 or none for no limit".into(),
            Self::Permissions => "octal permission bits from 0 to 777, such as 660".into(),
            Self::List { .. } => "a list of texts".into(),
            Self::Headers => header::EXPECTED.into(),
            Self::FieldName => "the name of a header, such as x-request-id".into(),
            Self::Choice(words) => one_of(words, "or"),
            Self::Choices(words) => one_of(words, "and"),
        }
    }
}

/// A value, of an option whose kind alone says how its text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Flag(bool),
    Number(u64),
    Time(Duration),
    /// One of the words of a choice.
    Word(&'static str),
    Text(String),
    Headers(Vec<(String, String)>),
}

impl Value {
    /// `Some(None)` where the text says that there is no limit.
    pub(crate) fn parse(kind: Kind, text: &str) -> Option<Option<Self>> {
        let any = |parse: fn(&str, u64, u64) -> Option<u64>| limit(text, |text| parse(text, 0, u64::MAX));
        let limited = |parsed: Option<NonZeroU64>| parsed.map(|limit| Self::Number(limit.get()));
        match kind {
            Kind::Flag => flag(text).map(|on| Some(Self::Flag(on))),
            Kind::Integer { min, max } => integer(text, min, max).map(|number| Some(Self::Number(number))),
            Kind::Size { min, max } => size(text, min, max).map(|bytes| Some(Self::Number(bytes))),
            Kind::Count => any(integer).map(limited),
            Kind::SizeLimit => any(size).map(limited),
            Kind::Seconds { min, max } => seconds(text, min, max).map(|time| Some(Self::Time(time))),
            Kind::Choice(words) => {
                let chosen = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                chosen.map(|word| Some(Self::Word(word)))
            }
            Kind::Permissions => permissions(text).map(|bits| Some(Self::Number(bits.into()))),
            Kind::FieldName => header::name(text).map(|name| Some(Self::Text(name))),
            Kind::HttpUrl => http_url(text).map(|url| Some(Self::Text(url))),
            Kind::UrlPath => url_path(text).map(|path| Some(Self::Text(path))),
            Kind::Text | Kind::Path | Kind::PathOrTable => path(text).map(|text| Some(Self::Text(text))),
            _ => None,
        }
    }
}

/// The words, separated by commas, with `last` before the last.
pub(crate) fn one_of(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).into(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// `true`, `1`, `yes`, `on` and their opposites, in any case.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Decimal digits and nothing else.
pub(crate) fn integer(text: &str, min: u64, max: u64) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

/// Digits, at most nine of them after a point, and a unit; seconds without one.
pub(crate) fn seconds(text: &str, min: Duration, max: Duration) -> Option<Duration> {
    let (number, unit) = split_unit(text, TIME_UNITS)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    // Integer arithmetic: a float cannot represent 0.1 s exactly.
    let scale = 10_u128.pow(fraction.len() as u32);
    let whole = u128::from(integer(whole, 0, u64::MAX)?) * u128::from(unit);
    let fraction = u128::from(integer(fraction, 0, u64::MAX)?) * u128::from(unit) / scale;
    let nanoseconds = u64::try_from(whole + fraction).ok()?;
    Some(Duration::from_nanos(nanoseconds)).filter(|time| (min..=max).contains(time))
}

/// Digits and a unit, every unit a power of 1024; bytes without one.
pub(crate) fn size(text: &str, min: u64, max: u64) -> Option<u64> {
    let (number, unit) = split_unit(text, SIZE_UNITS)?;
    integer(number, 0, u64::MAX)?.checked_mul(unit).filter(|size| (min..=max).contains(size))
}

/// The result of `parse`, or `Some(None)` if the text means no limit.
pub(crate) fn limit(text: &str, parse: impl Fn(&str) -> Option<u64>) -> Option<Option<NonZeroU64>> {
    if text.eq_ignore_ascii_case("none") { Some(None) } else { parse(text).map(NonZeroU64::new) }
}

/// Octal digits, with or without a leading `0o`.
pub(crate) fn permissions(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return None;
    }
    u32::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o777)
}

/// `module`, `module:attribute` or `module:factory()`, both dotted names. Importing the application shows whether
/// they exist.
pub(crate) fn app(text: &str) -> Option<String> {
    let (module, attribute) = text.split_once(':').unwrap_or((text, "app"));
    // A file, not a module: `main.py` would be a submodule called `py`.
    if module.ends_with(".py") {
        return None;
    }
    let attribute = attribute.strip_suffix("()").unwrap_or(attribute);
    (dotted(module) && dotted(attribute)).then(|| text.to_owned())
}

/// Empty, or an absolute path without the slash at its end. Percent-encoded, it would not begin the decoded path.
pub(crate) fn root_path(text: &str) -> Option<String> {
    let sound =
        (text.is_empty() || text.starts_with('/')) && !text.contains(|c: char| c.is_control() || c == '%');
    sound.then(|| text.trim_end_matches('/').to_owned())
}

/// A variable of an environment, `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let sound = !name.is_empty() && !text.contains('\0');
    sound.then(|| (name.to_owned(), value.to_owned()))
}

/// A URL of the web with a host, without a user and a password.
fn http_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (is_plain && !rest.is_empty() && !authority.contains('@') && !rest.starts_with(['/', ':', '?', '#']))
        .then(|| text.to_owned())
}

/// The path of a URL: absolute, of printable ASCII, without query and fragment.
fn url_path(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    (text.starts_with('/') && text.bytes().all(fits)).then(|| text.to_owned())
}

/// A path that a system call can take.
pub(crate) fn path(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
}

fn dotted(name: &str) -> bool {
    name.split('.').all(|part| {
        part.chars().all(|c| c.is_alphanumeric() || c == '_')
            && part.chars().next().is_some_and(|c| !c.is_numeric())
    })
}

fn split_unit<'a>(text: &'a str, units: &[(&str, u64)]) -> Option<(&'a str, u64)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    Some((number, *factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn time(text: &str) -> Option<Duration> {
        seconds(text, Duration::ZERO, DAY)
    }

    #[test]
    fn a_flag_is_any_of_eight_words_in_any_case() {
        for word in ["true", "1", "yes", "on", "TRUE", "On"] {
            assert_eq!(flag(word), Some(true), "{word}");
        }
        for word in ["false", "0", "no", "off", "False"] {
            assert_eq!(flag(word), Some(false), "{word}");
        }
        for word in ["", "2", "y", "enabled", " on"] {
            assert_eq!(flag(word), None, "{word:?}");
        }
    }

    #[test]
    fn an_integer_is_digits_within_its_range() {
        assert_eq!(integer("0", 0, 10), Some(0));
        assert_eq!(integer("10", 0, 10), Some(10));
        for text in ["11", "", "-1", "+1", "1.0", "1e1", " 1", "0x1", "18446744073709551616"] {
            assert_eq!(integer(text, 0, 10), None, "{text:?}");
        }
        assert_eq!(integer("4", 5, 10), None);
    }

    #[test]
    fn a_time_is_seconds_unless_it_names_its_unit() {
        assert_eq!(time("75"), Some(Duration::from_secs(75)));
        assert_eq!(time("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(time("0.1"), Some(Duration::from_millis(100)));
        assert_eq!(time("10s"), Some(Duration::from_secs(10)));
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time("0.5 ms"), Some(Duration::from_micros(500)));
        assert_eq!(time("2m"), Some(Duration::from_secs(120)));
        assert_eq!(time("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(time("0"), Some(Duration::ZERO));
    }

    #[test]
    fn a_time_that_is_negative_infinite_or_misspelt_is_refused() {
        for text in
            ["", "s", "-1", "1,5", "1.", ".5", "1.2.3", "1e3", "inf", "NaN", "10 days", "1.0123456789"]
        {
            assert_eq!(time(text), None, "{text:?}");
        }
        assert_eq!(time("25h"), None, "out of range");
        assert_eq!(time("18446744073709551615h"), None, "overflow");
        assert_eq!(seconds("0", Duration::from_millis(1), DAY), None, "below its range");
    }

    #[test]
    fn a_size_counts_in_powers_of_1024() {
        let any = |text| size(text, 0, u64::MAX);
        assert_eq!(any("8192"), Some(8192));
        assert_eq!(any("64K"), Some(64 << 10));
        assert_eq!(any("64KiB"), Some(64 << 10));
        assert_eq!(any("64 kb"), Some(64 << 10));
        assert_eq!(any("3m"), Some(3 << 20));
        assert_eq!(any("1GiB"), Some(1 << 30));
        for text in ["", "K", "-1", "1.5K", "64KX", "1T", "17179869184G"] {
            assert_eq!(any(text), None, "{text:?}");
        }
        assert_eq!(size("1K", 2048, 4096), None);
    }

    #[test]
    fn a_limit_may_be_none_or_zero() {
        let parse = |text| limit(text, |text| size(text, 0, u64::MAX));
        assert_eq!(parse("none"), Some(None));
        assert_eq!(parse("None"), Some(None));
        assert_eq!(parse("0"), Some(None));
        assert_eq!(parse("1K"), Some(NonZeroU64::new(1024)));
        assert_eq!(parse("many"), None);
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(permissions("660"), Some(0o660));
        assert_eq!(permissions("0o600"), Some(0o600));
        assert_eq!(permissions("0666"), Some(0o666));
        for text in ["", "0o", "888", "1777", "rw-rw----", "-1", "+7"] {
            assert_eq!(permissions(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_application_is_a_module_with_or_without_an_attribute() {
        for text in ["main", "main:app", "pkg.main:create_app()", "pkg.main:site.app", "größe:app"] {
            assert_eq!(app(text).as_deref(), Some(text));
        }
        for text in [
            "",
            ":app",
            "main:",
            "main.py",
            "main.py:app",
            "main.py:",
            "src/main.py",
            "main:app:x",
            "a..b:c",
            "main app",
            "1x:app",
        ] {
            assert_eq!(app(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_root_path_is_absolute_and_loses_its_last_slash() {
        assert_eq!(root_path("").as_deref(), Some(""));
        assert_eq!(root_path("/").as_deref(), Some(""));
        assert_eq!(root_path("/api/v1/").as_deref(), Some("/api/v1"));
        assert_eq!(root_path("api"), None);
        assert_eq!(root_path("/a\r\nb"), None);
        assert_eq!(root_path("/a%20b"), None);
    }
}
