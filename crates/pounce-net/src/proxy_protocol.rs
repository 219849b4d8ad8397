//! The PROXY protocol, versions 1 and 2: what a proxy says of a connection before it passes on its bytes.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::sys::socket::{MsgFlags, recv};

/// The most bytes of a header. TLVs may be longer, but none that is read here.
const LONGEST: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The most bytes of a header of version 1.
const LONGEST_V1: usize = 107;

/// What a proxy says of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyHeader {
    /// It speaks for itself (LOCAL, UNKNOWN), such as for a health check.
    Local,
    /// It speaks for a client.
    Proxied(Proxied),
}

/// The connection of a client to a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxied {
    /// The client's and the proxy's end, if it is TCP; `None` for a Unix socket.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// The host name that the client asked for by TLS (SNI).
    pub authority: Option<String>,
    /// The id that the proxy has given to the connection, if it is visible ASCII.
    pub unique_id: Option<String>,
    /// Whether the client speaks TLS.
    pub is_tls: bool,
}

/// Takes the header out of a socket, and no byte behind it.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] while it is incomplete: try again when more bytes have come. [`io::ErrorKind::InvalidData`] if
/// it is none or longer than 4096 bytes, [`io::ErrorKind::UnexpectedEof`] if the peer has closed, others as recv(2).
pub fn take_proxy_header(socket: BorrowedFd<'_>) -> io::Result<ProxyHeader> {
    let mut buffer = [0; LONGEST];
    let count = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let Some((header, length)) = parse(&buffer[..count])? else {
        return Err(io::ErrorKind::WouldBlock.into());
    };
    // They are all there: this does not wait and takes as many.
    let taken = recv(socket.as_raw_fd(), &mut buffer[..length], MsgFlags::empty())?;
    if taken == length { Ok(header) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads a header from the first bytes of a connection, and its length. `None` if it is incomplete.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the bytes begin with no header, or with one that is too long.
fn parse(bytes: &[u8]) -> io::Result<Option<(ProxyHeader, usize)>> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return parse_v2(bytes);
    }
    let common = bytes.len().min(b"PROXY ".len());
    if bytes[..common] == b"PROXY "[..common] {
        return parse_v1(bytes);
    }
    Err(invalid("no PROXY protocol"))
}

fn parse_v1(bytes: &[u8]) -> io::Result<Option<(ProxyHeader, usize)>> {
    let Some(end) = bytes.windows(2).take(LONGEST_V1 - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_V1 { Ok(None) } else { Err(invalid("a line that is too long")) };
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid("a line that is not ASCII"))?;
    let mut words = line.split(' ').skip(1);
    let header = match words.next() {
        Some("UNKNOWN") => ProxyHeader::Local,
        Some(family @ ("TCP4" | "TCP6")) => {
            let words: Vec<&str> = words.collect();
            let [client, server, client_port, server_port] = words[..] else {
                return Err(invalid("a line without two addresses and two ports"));
            };
            let ip = |text: &str| text.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == (family == "TCP4"));
            // No sign, no leading zero.
            let port = |text: &str| text.parse().ok().filter(|port: &u16| port.to_string() == text);
            let end = |address, number| Some(SocketAddr::new(ip(address)?.to_canonical(), port(number)?));
            let ends = end(client, client_port).zip(end(server, server_port));
            let ends = ends.ok_or_else(|| invalid("malformed addresses"))?;
            ProxyHeader::Proxied(Proxied { ends: Some(ends), ..Proxied::default() })
        }
        _ => return Err(invalid("an unknown protocol")),
    };
    Ok(Some((header, end + 2)))
}

fn parse_v2(bytes: &[u8]) -> io::Result<Option<(ProxyHeader, usize)>> {
    let Some(fixed) = bytes.get(..16) else { return Ok(None) };
    let length = 16 + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 {
        return Err(invalid("an unknown version"));
    }
    if length > LONGEST {
        return Err(invalid("a header that is too long"));
    }
    let Some(body) = bytes.get(16..length) else { return Ok(None) };
    match fixed[12] & 0xf {
        // What follows is to be ignored.
        0 => return Ok(Some((ProxyHeader::Local, length))),
        1 => {}
        _ => return Err(invalid("an unknown command")),
    }
    let short = || invalid("addresses that are cut off");
    let (ends, rest) = match fixed[13] {
        0x11 => {
            let (addresses, rest) = body.split_at_checked(12).ok_or_else(short)?;
            let ip = |at: usize| {
                Ipv4Addr::new(addresses[at], addresses[at + 1], addresses[at + 2], addresses[at + 3])
            };
            (Some(ends(ip(0).into(), ip(4).into(), &addresses[8..])), rest)
        }
        0x21 => {
            let (addresses, rest) = body.split_at_checked(36).ok_or_else(short)?;
            let ip = |at: usize| {
                let bytes: [u8; 16] = addresses[at..at + 16].try_into().expect("sixteen bytes");
                IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
            };
            (Some(ends(ip(0), ip(16), &addresses[32..])), rest)
        }
        0x31 => (None, body.split_at_checked(216).ok_or_else(short)?.1),
        // UNSPEC and datagrams, of which the specification lets the receiver use the connection's own addresses.
        0x00 | 0x12 | 0x22 | 0x32 => return Ok(Some((ProxyHeader::Local, length))),
        _ => return Err(invalid("an unknown family")),
    };
    let mut proxied = Proxied { ends, ..Proxied::default() };
    let mut rest = rest;
    while let Some((kind, value, after)) = tlv(rest)? {
        match kind {
            0x02 => proxied.authority = authority(value),
            0x05 => proxied.unique_id = unique_id(value),
            // PP2_TYPE_SSL, PP2_CLIENT_SSL.
            0x20 => proxied.is_tls = value.first().is_some_and(|flags| flags & 1 != 0),
            _ => {}
        }
        rest = after;
    }
    Ok(Some((ProxyHeader::Proxied(proxied), length)))
}

fn ends(client: IpAddr, server: IpAddr, ports: &[u8]) -> (SocketAddr, SocketAddr) {
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    (SocketAddr::new(client, port(0)), SocketAddr::new(server, port(2)))
}

/// A TLV's type and value, and the bytes behind it.
type Tlv<'a> = (u8, &'a [u8], &'a [u8]);

/// The first TLV, if there is one.
fn tlv(bytes: &[u8]) -> io::Result<Option<Tlv<'_>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut_off = || invalid("a TLV that is cut off");
    let (head, rest) = bytes.split_at_checked(3).ok_or_else(cut_off)?;
    let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
    let (value, rest) = rest.split_at_checked(length).ok_or_else(cut_off)?;
    Ok(Some((head[0], value, rest)))
}

/// A host name; anything else is ignored.
fn authority(value: &[u8]) -> Option<String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let sound = !value.is_empty() && value.len() <= 255 && value.iter().all(fits);
    sound.then(|| String::from_utf8_lossy(value).into_owned())
}

/// Up to 128 bytes, as the protocol allows; others than visible ASCII would not fit into a field or a log.
fn unique_id(value: &[u8]) -> Option<String> {
    let sound = (1..=128).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    sound.then(|| String::from_utf8_lossy(value).into_owned())
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY protocol: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(client: &str, server: &str) -> Proxied {
        let parse = |text: &str| text.parse().expect("an address");
        Proxied { ends: Some((parse(client), parse(server))), ..Proxied::default() }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &length, body].concat()
    }

    fn taken(bytes: &[u8]) -> Proxied {
        match parse(bytes).expect("valid").expect("complete") {
            (ProxyHeader::Proxied(proxied), length) => {
                assert_eq!(length, bytes.len());
                proxied
            }
            other => panic!("{other:?}"),
        }
    }

    const IPV4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0x01, 0xbb];

    #[test]
    fn a_line_of_version_1_is_read_up_to_its_end() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n";
        assert_eq!(taken(line), proxied("192.0.2.1:12345", "192.0.2.2:443"));
        let line = b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 2\r\n";
        assert_eq!(taken(line), proxied("[2001:db8::1]:1", "192.0.2.2:2"));
        let (header, length) = parse(b"PROXY UNKNOWN whatever\r\nGET /").expect("valid").expect("complete");
        assert_eq!((header, length), (ProxyHeader::Local, 24));
    }

    #[test]
    fn addresses_and_tlvs_of_version_2_are_read() {
        assert_eq!(taken(&v2(1, 0x11, &IPV4)), proxied("192.0.2.1:12345", "192.0.2.2:443"));
        let tlvs = [
            &IPV4[..],
            &[0x02, 0, 3],
            b"a.b",
            &[0x04, 0, 1, 9, 0x05, 0, 2],
            b"id",
            &[0x20, 0, 5, 1, 0, 0, 0, 0],
        ]
        .concat();
        let expected = Proxied {
            authority: Some("a.b".into()),
            unique_id: Some("id".into()),
            is_tls: true,
            ..proxied("192.0.2.1:12345", "192.0.2.2:443")
        };
        assert_eq!(taken(&v2(1, 0x11, &tlvs)), expected);
        let mut ipv6 = [0; 36];
        (ipv6[15], ipv6[31], ipv6[33], ipv6[35]) = (1, 2, 3, 4);
        assert_eq!(taken(&v2(1, 0x21, &ipv6)), proxied("[::1]:3", "[::2]:4"));
        assert_eq!(taken(&v2(1, 0x31, &[0; 216])), Proxied::default());
        for header in [v2(0, 0x11, &IPV4), v2(1, 0, &[]), v2(0, 0, &[1, 2, 3])] {
            assert_eq!(parse(&header).expect("valid"), Some((ProxyHeader::Local, header.len())));
        }
    }

    #[test]
    fn every_beginning_of_a_header_is_incomplete() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\n".to_vec();
        for whole in [line, v2(1, 0x11, &IPV4)] {
            for end in 0..whole.len() {
                assert_eq!(parse(&whole[..end]).expect("valid so far"), None, "{end}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 107]].concat();
        let oversize = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
        let texts: [&[u8]; 12] = [
            b"GET / HTTP/1.1\r\n",
            b"\r\n\r\n\0\r\nQUIS",
            b"proxy TCP4 ",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            &long,
            &oversize,
        ];
        for text in texts {
            assert_eq!(parse(text).expect_err("refused").kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
        let cut_off = [&IPV4[..], &[0x02, 0, 9, 1]].concat();
        for header in
            [v2(1, 0x11, &IPV4[..11]), v2(2, 0x11, &IPV4), v2(1, 0x11, &cut_off), v2(1, 0x31, &[0; 9])]
        {
            parse(&header).expect_err("refused");
        }
        let mut other_version = v2(1, 0x11, &IPV4);
        other_version[12] = 0x31;
        parse(&other_version).expect_err("refused");
        for family in [0x13, 0x41, 0xff] {
            parse(&v2(1, family, &IPV4)).expect_err("refused");
        }
    }
}
