//! What trusted proxies say of a request: `X-Forwarded-*`, or `Forwarded` (RFC 7239).
//!
//! Each proxy adds an element to the right. Elements are read from there for as long as the address that they are about is a
//! trusted proxy itself; whatever stands further left may be the client's invention. `Forwarded` counts only where no
//! `X-Forwarded-For`, `-Proto` or `-Host` is there, because a proxy that sends these usually passes it on from the client.

use std::net::{IpAddr, SocketAddr};

use pounce_asgi::{Address, Fields, Peer, RequestHead, Scheme};
use pounce_config::Proxies;

/// The peer of a request as trusted proxies describe it; `None` if they say nothing.
pub(crate) fn peer(head: &RequestHead, connection: &Peer, trusted: &Proxies) -> Option<Peer> {
    let fields = Said::of(head.fields())?;
    let fields = &fields;
    let mut told = Told::by_x_forwarded(fields, trusted);
    let is_there = |name: &[u8]| fields.get_all(name).next().is_some();
    if ![&b"x-forwarded-for"[..], b"x-forwarded-proto", b"x-forwarded-host"].into_iter().any(is_there) {
        told = Told { port: told.port, prefix: told.prefix, ..Told::by_forwarded(fields, trusted) };
    }
    let mut peer = connection.clone();
    if let Some(client) = told.client {
        peer.client = Address::Ip(client);
    }
    if let Some(scheme) = told.scheme {
        peer.scheme = scheme;
    }
    let port_of = |port: Option<u16>| {
        port.or(told.port).unwrap_or(match peer.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    };
    match (told.host, &mut peer.server) {
        (Some((host, port)), server) => *server = address(host, port_of(port)),
        (None, Address::Ip(server)) if told.port.is_some() => server.set_port(port_of(None)),
        _ => {}
    }
    peer.root_path = told.prefix;
    (peer != *connection).then_some(peer)
}

/// The fields that proxies have added, in their order.
struct Said<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Said<'a> {
    /// `None` if there are none.
    fn of(fields: &'a Fields) -> Option<Self> {
        let is_said = |name: &[u8]| name.starts_with(b"x-forwarded-") || name == b"forwarded";
        let mut said = fields.iter().filter(|(name, _)| is_said(name)).peekable();
        said.peek()?;
        Some(Self(said.collect()))
    }

    fn get_all<'b>(&'b self, name: &'b [u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a, 'b> {
        self.0.iter().filter(move |(found, _)| *found == name).map(|(_, value)| *value)
    }
}

/// What the proxies say.
#[derive(Debug, Default)]
struct Told {
    client: Option<SocketAddr>,
    scheme: Option<Scheme>,
    host: Option<(String, Option<u16>)>,
    port: Option<u16>,
    prefix: Option<String>,
}

impl Told {
    fn by_x_forwarded(fields: &Said<'_>, trusted: &Proxies) -> Self {
        let mut hops = Hops::default();
        for element in elements(fields, b"x-forwarded-for").rev() {
            if !hops.pass(node(element), trusted) {
                log_malformed("x-forwarded-for", element);
                break;
            }
            if hops.is_over {
                break;
            }
        }
        // A proxy that keeps the elements of those before it adds one for each hop, as to the addresses.
        let of_client = |name: &'static [u8]| {
            let depth = hops.passed.max(1);
            elements(fields, name).rev().take(depth).last().filter(|element| !element.is_empty())
        };
        let parsed = |name: &'static [u8]| Field { name, value: of_client(name) };
        Self {
            client: hops.client,
            scheme: parsed(b"x-forwarded-proto").parse(scheme),
            host: parsed(b"x-forwarded-host").parse(host),
            port: parsed(b"x-forwarded-port").parse(port),
            prefix: parsed(b"x-forwarded-prefix").parse(prefix),
        }
    }

    fn by_forwarded(fields: &Said<'_>, trusted: &Proxies) -> Self {
        let mut hops = Hops::default();
        let mut told = Self::default();
        for element in quoted_elements(fields).rev() {
            let Some(pairs) = pairs(element) else {
                log_malformed("forwarded", element);
                break;
            };
            let value = |name: &str| {
                pairs
                    .iter()
                    .find(|(found, _)| found.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.as_bytes())
            };
            // The element of the last hop that is known tells what it got.
            told.scheme = value("proto").and_then(scheme).or(told.scheme);
            told.host = value("host").and_then(host).or(told.host);
            if !hops.pass(value("for").and_then(node), trusted) || hops.is_over {
                break;
            }
        }
        Self { client: hops.client, ..told }
    }
}

/// A field whose value is parsed, or ignored.
struct Field<'a> {
    name: &'static [u8],
    value: Option<&'a [u8]>,
}

impl Field<'_> {
    fn parse<T>(self, parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let value = self.value?;
        let parsed = parse(value);
        if parsed.is_none() {
            log_malformed(&String::from_utf8_lossy(self.name), value);
        }
        parsed
    }
}

/// The way from the server towards the client.
#[derive(Debug, Default)]
struct Hops {
    client: Option<SocketAddr>,
    passed: usize,
    /// Whether the last address is no trusted proxy: it is the client.
    is_over: bool,
}

impl Hops {
    /// Goes on to the next address. False if there is none.
    fn pass(&mut self, next: Option<SocketAddr>, trusted: &Proxies) -> bool {
        let Some(next) = next else { return false };
        self.client = Some(next);
        self.passed += 1;
        self.is_over = !trusted.contain(next.ip());
        true
    }
}

fn log_malformed(name: &str, value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    tracing::debug!(target: "pounce", name, ?value, "ignored what a proxy says");
}

/// The elements of a field's lists, from left to right. `X-Forwarded-*` has no quoting.
fn elements<'a, 'b>(
    fields: &'b Said<'a>,
    name: &'b [u8],
) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a, 'b> {
    fields.get_all(name).flat_map(|list| list.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

/// The elements of `Forwarded`, from left to right. Commas in quotes separate nothing; but a quote that is never closed is
/// the client's, and must not hide what proxies have added behind it.
fn quoted_elements<'a>(fields: &Said<'a>) -> std::vec::IntoIter<&'a [u8]> {
    let mut elements = Vec::new();
    for list in fields.get_all(b"forwarded") {
        let (mut quoted, mut escaped) = (false, false);
        let parts = list.split(|&byte| {
            let separates = byte == b',' && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && quoted && !escaped;
            separates
        });
        let parts: Vec<_> = parts.collect();
        match quoted {
            false => elements.extend(parts),
            true => elements.extend(list.split(|&byte| byte == b',')),
        }
    }
    let elements = elements.into_iter().map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    elements.collect::<Vec<_>>().into_iter()
}

/// The parameters of one element of `Forwarded`; `None` if it is malformed.
fn pairs(element: &[u8]) -> Option<Vec<(&str, String)>> {
    let mut rest = std::str::from_utf8(element).ok()?;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        let is_new = !pairs.iter().any(|(other, _): &(&str, String)| other.eq_ignore_ascii_case(name));
        if !is_new || !is_token(name) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        pairs.push((name, value));
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(pairs)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(pounce_asgi::is_token_byte)
}

/// The value of a quoted string after its first quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// A proxy's or client's address, with a port or without (0 then). `unknown` and obfuscated names are none.
fn node(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let of = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(of(ip, 0));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']')?;
        let port = match after {
            "" => 0,
            after => node_port(after.strip_prefix(':')?)?,
        };
        return Some(of(ip.parse().ok()?, port));
    }
    let (ip, port) = text.split_once(':')?;
    Some(of(ip.parse().ok()?, node_port(port)?))
}

/// The port of a node; 0 for an obfuscated one (RFC 7239 section 6).
fn node_port(text: &str) -> Option<u16> {
    match text.strip_prefix('_') {
        Some(hidden) => is_token(hidden).then_some(0),
        None => port(text.as_bytes()),
    }
}

fn scheme(text: &[u8]) -> Option<Scheme> {
    match text {
        _ if text.eq_ignore_ascii_case(b"http") || text.eq_ignore_ascii_case(b"ws") => Some(Scheme::Http),
        _ if text.eq_ignore_ascii_case(b"https") || text.eq_ignore_ascii_case(b"wss") => Some(Scheme::Https),
        _ => None,
    }
}

/// A host's name or address as in a URI, and its port if there is one.
fn host(text: &[u8]) -> Option<(String, Option<u16>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, port) = match text.rsplit_once(':') {
        Some((name, number)) if !number.contains(']') => (name, Some(port(number.as_bytes())?)),
        _ => (text, None),
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !name.is_empty() && name.bytes().all(fits)
        }
    };
    sound.then(|| (bare.unwrap_or(name).to_owned(), port))
}

fn port(text: &[u8]) -> Option<u16> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok()?.parse().ok().filter(|port| digits && *port != 0)
}

/// An absolute path, without the slash at its end. One that begins with two slashes would name a host in a redirect; one with
/// encoded bytes would not be the beginning of the decoded path.
fn prefix(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\' | b'%');
    let sound = text.starts_with('/') && !text.starts_with("//") && text.bytes().all(visible);
    sound.then(|| text.trim_end_matches('/').to_owned()).filter(|prefix| !prefix.is_empty())
}

fn address(host: String, port: u16) -> Address {
    match host.parse::<IpAddr>() {
        Ok(ip) => Address::Ip(SocketAddr::new(ip, port)),
        Err(_) => Address::Name(host, port),
    }
}

#[cfg(test)]
mod tests {
    use pounce_asgi::HttpVersion;

    use super::*;

    fn trusting(texts: &[&str]) -> Proxies {
        Proxies {
            all: texts.contains(&"*"),
            unix: false,
            networks: texts.iter().filter_map(|text| text.parse().ok()).collect(),
        }
    }

    /// The peer of a request with these fields, from a proxy at 127.0.0.1; a network 10.0.0.0/8 of proxies is trusted.
    fn told(fields: &[(&str, &str)]) -> Peer {
        told_to(fields, &trusting(&["127.0.0.1/32", "10.0.0.0/8"]))
    }

    fn told_to(fields: &[(&str, &str)], trusted: &Proxies) -> Peer {
        let mut head = RequestHead::default();
        head.begin(b"GET", b"/", HttpVersion::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        let connection = connection();
        peer(&head, &connection, trusted).unwrap_or(connection)
    }

    fn connection() -> Peer {
        let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
        let (client, server) = (ip("127.0.0.1:1"), ip("127.0.0.1:80"));
        Peer { client, server, scheme: Scheme::Http, root_path: None }
    }

    /// The client's address and port of these lists of `X-Forwarded-For`.
    fn client(lists: &[&str]) -> String {
        let fields: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
        told(&fields).client.to_string()
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
        for (lists, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1:0"),
            (&["192.0.2.9, 192.0.2.1"], "192.0.2.1:0"),
            (&["192.0.2.9, 192.0.2.1, 10.1.2.3"], "192.0.2.1:0"),
            (&["192.0.2.9", "192.0.2.1,10.1.2.3", "10.0.0.1"], "192.0.2.1:0"),
            (&["10.0.0.2, 10.0.0.1"], "10.0.0.2:0"),
            (&["192.0.2.1:4711"], "192.0.2.1:4711"),
            (&["2001:db8::1"], "[2001:db8::1]:0"),
            (&["[2001:db8::1]:4711"], "[2001:db8::1]:4711"),
            (&["::ffff:192.0.2.1, ::ffff:10.0.0.1"], "192.0.2.1:0"),
        ] {
            assert_eq!(client(lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_way() {
        for lists in
            [&["unknown"][..], &[""], &["192.0.2.1 192.0.2.2"], &["192.0.2.1, "], &["192.0.2.256"], &["[::1"]]
        {
            assert_eq!(client(lists), "127.0.0.1:1", "{lists:?}");
        }
        assert_eq!(client(&["192.0.2.1, rubbish, 10.0.0.1"]), "10.0.0.1:0");
    }

    #[test]
    fn if_all_are_trusted_the_client_is_the_leftmost() {
        let fields = [("x-forwarded-for", "192.0.2.9, 192.0.2.1, 10.1.2.3")];
        assert_eq!(told_to(&fields, &trusting(&["*"])).client.to_string(), "192.0.2.9:0");
    }

    #[test]
    fn scheme_host_port_and_prefix_are_told_apart() {
        let all = told(&[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "example.org"),
            ("x-forwarded-prefix", "/api/"),
        ]);
        assert_eq!((all.scheme, all.server), (Scheme::Https, Address::Name("example.org".into(), 443)));
        assert_eq!(all.root_path.as_deref(), Some("/api"));
        let server = |fields: &[(&str, &str)]| told(fields).server.to_string();
        assert_eq!(server(&[("x-forwarded-host", "example.org")]), "example.org:80");
        assert_eq!(
            server(&[("x-forwarded-host", "example.org:81"), ("x-forwarded-port", "82")]),
            "example.org:81"
        );
        assert_eq!(
            server(&[("x-forwarded-host", "example.org"), ("x-forwarded-port", "82")]),
            "example.org:82"
        );
        assert_eq!(server(&[("x-forwarded-host", "[::1]:81")]), "[::1]:81");
        assert_eq!(server(&[("x-forwarded-port", "82")]), "127.0.0.1:82");
        assert_eq!(told(&[("x-forwarded-proto", "wss")]).scheme, Scheme::Https);
    }

    #[test]
    fn of_lists_the_element_of_the_clients_hop_counts() {
        let fields = [
            ("x-forwarded-for", "192.0.2.9, 192.0.2.1, 10.0.0.1"),
            ("x-forwarded-proto", "ws, https, http"),
            ("x-forwarded-host", "invented, example.org, inner"),
        ];
        let peer = told(&fields);
        assert_eq!((peer.scheme, peer.server), (Scheme::Https, Address::Name("example.org".into(), 443)));
    }

    #[test]
    fn malformed_values_change_nothing() {
        for (name, value) in [
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-host", "a/b"),
            ("x-forwarded-host", "a:b"),
            ("x-forwarded-host", "[::x]"),
            ("x-forwarded-port", "0"),
            ("x-forwarded-port", "65536"),
            ("x-forwarded-port", "-1"),
            ("x-forwarded-prefix", "api"),
            ("x-forwarded-prefix", "//evil.example"),
            ("x-forwarded-prefix", "/a b"),
            ("x-forwarded-prefix", "/a?b"),
            ("x-forwarded-prefix", "/%2Fevil.example"),
            ("x-forwarded-prefix", "/"),
            ("x-forwarded-port", "+80"),
            ("x-forwarded-host", "a:0"),
            ("x-forwarded-prefix", "/\\evil.example"),
            ("x-forwarded-server", "example.org"),
            ("forwarded", "for"),
            ("forwarded", "for=\"192.0.2.1"),
            ("forwarded", "for=unknown"),
            ("forwarded", "for=_hidden;by=x"),
        ] {
            assert_eq!(told(&[(name, value)]), connection(), "{name}: {value}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        let peer = told(&[(
            "forwarded",
            "for=192.0.2.9;proto=http, For=\"[2001:db8::1]:4711\";Proto=https;host=\"example.org:81\", for=10.0.0.1;host=inner",
        )]);
        assert_eq!(peer.client.to_string(), "[2001:db8::1]:4711");
        assert_eq!((peer.scheme, peer.server), (Scheme::Https, Address::Name("example.org".into(), 81)));
        let quoted = told(&[("forwarded", "for=192.0.2.1;secret=\"a,\\\"b;c\"")]);
        assert_eq!(quoted.client.to_string(), "192.0.2.1:0");
    }

    #[test]
    fn forwarded_is_the_clients_word_where_the_proxy_sends_the_other_fields() {
        let fields = [("forwarded", "for=192.0.2.9;proto=https"), ("x-forwarded-for", "192.0.2.1")];
        let peer = told(&fields);
        assert_eq!((peer.client.to_string(), peer.scheme), ("192.0.2.1:0".to_owned(), Scheme::Http));
    }

    #[test]
    fn no_quote_of_a_client_hides_what_proxies_add() {
        assert_eq!(client(&["\", 192.0.2.1"]), "192.0.2.1:0");
        let peer = told(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "\",https")]);
        assert_eq!(peer.scheme, Scheme::Https);
        let peer = told(&[("forwarded", "for=\", for=192.0.2.1;proto=https")]);
        assert_eq!((peer.client.to_string(), peer.scheme), ("192.0.2.1:0".to_owned(), Scheme::Https));
    }

    #[test]
    fn forwarded_does_not_step_in_for_what_is_malformed() {
        for value in ["unknown", "\"", "unix:", ""] {
            let fields =
                [("forwarded", "for=192.0.2.9;proto=https;host=evil.example"), ("x-forwarded-for", value)];
            assert_eq!(told(&fields), connection(), "{value}");
        }
    }

    #[test]
    fn hidden_ports_and_empty_elements_of_forwarded_are_stood() {
        let client = |value: &str| told(&[("forwarded", value)]).client.to_string();
        assert_eq!(client("for=\"192.0.2.1:_x\""), "192.0.2.1:0");
        assert_eq!(client("for=\"[2001:db8::1]:_x\","), "[2001:db8::1]:0");
        assert_eq!(client("secure;for=192.0.2.1"), "127.0.0.1:1");
        assert_eq!(client("for=192.0.2.1;for=192.0.2.2"), "127.0.0.1:1");
    }

    #[test]
    fn without_a_word_of_proxies_there_is_no_other_peer() {
        let mut head = RequestHead::default();
        head.begin(b"GET", b"/", HttpVersion::Http11);
        head.push(b"host", b"example.org");
        assert_eq!(peer(&head, &connection(), &trusting(&["*"])), None);
    }
}
